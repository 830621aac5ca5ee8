//! Owns what the backend's answer says.
//! Never knows what was asked.

use crate::auth::Narrowing;
use crate::room::RoomPattern;
use serde::Deserialize;

/// `{"allow": true, "subscribe": [...], "publish": [...]}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    allow: bool,
    subscribe: Option<Vec<String>>,
    publish: Option<Vec<String>>,
}

/// What the backend said.
#[derive(Debug)]
pub(super) enum Said {
    /// Yes, and perhaps to less than the token grants.
    Yes(Option<Narrowing>),
    /// No.
    No,
    /// Nothing that could be understood.
    Nonsense,
}

/// Reads an answer. A member that is not known may restrict something: it is no answer.
pub(super) fn read(body: &[u8]) -> Said {
    let Ok(Answer { allow, subscribe, publish }) = serde_json::from_slice(body) else {
        return Said::Nonsense;
    };
    if !allow {
        return Said::No;
    }
    if subscribe.is_none() && publish.is_none() {
        return Said::Yes(None);
    }
    match (patterns(subscribe), patterns(publish)) {
        (Ok(subscribe), Ok(publish)) => Said::Yes(Some(Narrowing { subscribe, publish })),
        (Err(()), _) | (_, Err(())) => Said::Nonsense,
    }
}

fn patterns(list: Option<Vec<String>>) -> Result<Option<Box<[RoomPattern]>>, ()> {
    let Some(list) = list else { return Ok(None) };
    if list.len() > PATTERNS_MAX {
        return Err(());
    }
    list.iter().map(|text| RoomPattern::parse(text).ok_or(())).collect::<Result<_, _>>().map(Some)
}

const PATTERNS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_yes_no_or_yes_to_less() {
        assert!(matches!(read(br#"{"allow":true}"#), Said::Yes(None)));
        assert!(matches!(read(br#"{"allow":false}"#), Said::No));
        assert!(matches!(read(br#"{"allow":false,"subscribe":["*"]}"#), Said::No));
        let narrowed = read(br#"{"allow":true,"publish":[]}"#);
        assert!(
            matches!(narrowed, Said::Yes(Some(Narrowing { subscribe: None, publish: Some(publish) })) if publish.is_empty())
        );
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        for bad in [
            "",
            "true",
            "{}",
            r#"{"allow":"true"}"#,
            r#"{"allow":true,"rooms":[]}"#,
            r#"{"allow":true,"subscribe":["a b"]}"#,
            r#"{"allow":true,"subscribe":"*"}"#,
            r#"{"allow":true,"allow":false}"#,
        ] {
            assert!(matches!(read(bad.as_bytes()), Said::Nonsense), "{bad}");
        }
        let many = format!(r#"{{"allow":true,"publish":[{}]}}"#, vec!["\"a\""; 257].join(","));
        assert!(matches!(read(many.as_bytes()), Said::Nonsense));
    }
}
