//! Owns what may not be published under version 1.0, beyond what no version takes.
//! Never knows who publishes.

use super::RESERVED_TOPICS;
use super::hub::OWN_TYPE;
use super::update::Form;
use crate::auth::form_pairs;
use crate::rejection::Rejection;

impl Form {
    /// As [`Form::parse`], by the rules of version 1.0: one topic, no topic of the hub's at this path
    /// however it is written, nothing that a reader could take for a matcher or for the hub's own event.
    ///
    /// # Errors
    /// [`Rejection::UpdateMalformed`]; [`Rejection::TopicUnpublishable`];
    /// [`Rejection::BodyTooLarge`] for data over `data_bytes`.
    pub fn parse_one(body: &[u8], data_bytes: usize, hub: &str) -> Result<Form, Rejection> {
        let form = Form::parse(body, data_bytes, hub).map_err(|reason| {
            if reason == Rejection::TopicReserved { Rejection::TopicUnpublishable } else { reason }
        })?;
        let mut topics = form.topics();
        let (Some(topic), None) = (topics.next(), topics.next()) else {
            return Err(Rejection::UpdateMalformed);
        };
        if topic == "*" || is_reserved(topic, hub) {
            return Err(Rejection::TopicUnpublishable);
        }
        let has_format = |text: &str| text.chars().any(is_format);
        if has_format(topic)
            || form.id.as_deref().is_some_and(has_format)
            || form.kind.as_deref() == Some(OWN_TYPE)
        {
            return Err(Rejection::UpdateMalformed);
        }
        drop(topics);
        Ok(form)
    }
}

/// The same of version 0.x, where a topic is a text and no reference: a mere name such as `mercure` is
/// nothing of the hub's, whatever it would resolve to.
pub(super) fn is_reserved_text(topic: &str, hub: &str) -> bool {
    let rest = topic.trim().split_once(':').map_or(topic.trim(), |(_, rest)| rest);
    let is_reference = [topic.trim(), rest].iter().any(|text| text.starts_with(['/', '\\', '.', '%']));
    topic.starts_with(RESERVED_TOPICS) || (is_reference && is_reserved(topic, hub))
}

/// Whether a topic leads to the hub's own, once it is resolved as a reference from the hub. Anybody's
/// hub counts: whatever the scheme and the host are. What is decoded and resolved more often than a
/// browser would is refused rather than taken.
fn is_reserved(topic: &str, hub: &str) -> bool {
    let topic = topic.trim();
    let path = topic.split(['?', '#']).next().unwrap_or_default();
    let (has_scheme, rest) = match path.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (true, rest),
        Some(_) | None => (false, path),
    };
    let rest = decoded(rest).replace('\\', "/");
    let base = hub.rsplit_once('/').map_or("", |(folder, _)| folder);
    // With an authority in front, without one, and from where the hub is.
    let may_have_host = has_scheme || rest.starts_with("//");
    let behind_host = rest.trim_start_matches('/').split_once('/').filter(|_| may_have_host);
    let behind_host = behind_host.map(|(_, path)| path.to_owned());
    let from_root = rest.starts_with('/').then(|| rest.clone());
    let candidates = [behind_host, from_root, Some(format!("{base}/{rest}"))];
    candidates.iter().flatten().any(|path| {
        let path = resolved(path);
        [hub, RESERVED_TOPICS]
            .iter()
            .any(|own| path.strip_prefix(own).is_some_and(|below| below.is_empty() || below.starts_with('/')))
    })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
}

/// Without what is percent-encoded; one segment is decoded as a name of a form is.
fn decoded(path: &str) -> String {
    // `+`, `&` and `=` mean something in a form alone, and none of them is in a reserved path.
    let plain = path.replace(['+', '&', '='], "_");
    let name = form_pairs(&plain).next().and_then(|(name, _)| name);
    name.unwrap_or(plain)
}

/// Without dot segments and empty ones (RFC 3986 section 5.2.4).
fn resolved(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.iter().fold(String::new(), |path, segment| path + "/" + segment)
}

/// A character that shows nothing and changes how the rest is shown or read: the category Cf of
/// Unicode.
pub(super) fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_of_the_hubs_own_is_one_however_it_is_written() {
        for (topic, reserved) in [
            ("/.well-known/mercure", true),
            ("/.well-known/mercure/subscriptions/a", true),
            ("https://any.example/.well-known/mercure/subscriptions/a", true),
            ("https://any.example//.well-known/mercure", true),
            ("//any.example/.well-known/mercure?x", true),
            ("https:/.well-known/mercure#x", true),
            ("https:\\\\any.example\\.well-known\\mercure", true),
            ("/a/../.well-known/./mercure/x", true),
            ("/.well-known/%6Dercure/x", true),
            ("/%2e/.well-known/mercure", true),
            ("mercure/subscriptions/a", true),
            ("../.well-known/mercure", true),
            ("  /.well-known/mercure", true),
            ("/.well-known/mercurex", false),
            ("/a/.well-known/mercure", false),
            ("https://example.com/rooms/lobby", false),
            ("https://example.com/a/.well-known/mercure", false),
            ("https://example.com/?next=/.well-known/mercure", false),
            ("urn:uuid:1", false),
            ("chat", false),
            ("50%", false),
        ] {
            assert_eq!(is_reserved(topic, "/.well-known/mercure"), reserved, "{topic}");
        }
        assert!(is_reserved("/hub/subscriptions/a", "/hub") && is_reserved("/.well-known/mercure", "/hub"));
    }

    #[test]
    fn in_version_zero_a_name_is_a_topic_and_a_way_to_the_hub_is_none() {
        for (topic, reserved) in [
            ("/hub/subscriptions/a/b", true),
            ("https://any.example/hub/subscriptions/a/b", true),
            ("//any.example/hub", true),
            ("/a/../hub/subscriptions/a", true),
            ("./hub/subscriptions/a", true),
            ("%2Fhub/subscriptions", true),
            ("/h%75b", true),
            ("\\hub", true),
            ("/.well-known/mercure/subscriptions/a", true),
            ("https://any.example/.well-known/mercure", true),
            ("/.well-known/mercurex", true),
            ("hub", false),
            ("hub/subscriptions", false),
            ("/hubs/a", false),
            ("/rooms/hub", false),
            ("https://example.com/rooms/hub", false),
            ("urn:hub", false),
        ] {
            assert_eq!(is_reserved_text(topic, "/hub"), reserved, "{topic}");
        }
    }

    #[test]
    fn one_topic_is_published_and_nothing_that_the_hub_says_itself() {
        let parse = |body: &str| Form::parse_one(body.as_bytes(), 100, "/.well-known/mercure").err();
        assert_eq!(parse("topic=a&data=x&type=t&id=urn%3A1&retry=5&unknown=y"), None);
        for bad in [
            "data=x",
            "topic=a&topic=b",
            "topic=a%E2%80%8B",
            "topic=a&id=x%E2%80%AE",
            "topic=a&id=earliest",
            "topic=a&type=mercure",
            "topic=a&retry=%2B1",
        ] {
            assert_eq!(parse(bad), Some(Rejection::UpdateMalformed), "{bad}");
        }
        for bad in
            ["topic=*", "topic=%2F.well-known%2Fmercure", "topic=https%3A%2F%2Fx%2F.well-known%2Fmercure%2Fa"]
        {
            assert_eq!(parse(bad), Some(Rejection::TopicUnpublishable), "{bad}");
        }
    }
}
