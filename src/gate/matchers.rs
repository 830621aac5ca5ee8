//! Owns what a subscriber of a hub of version 1.0 asks for.
//! Never knows what it is granted.

use crate::auth::form_pairs;
use crate::mercure::TopicSelector;
use crate::rejection::Rejection;

/// The topic matchers of a query: one at least. Every name that begins with `match` is the protocol's,
/// so one that is not served is refused rather than ignored; so is `topic`, the name of version 0.x.
pub(super) fn matchers(query: Option<&str>) -> Result<Vec<TopicSelector>, Rejection> {
    let mut wanted = Vec::new();
    for (name, value) in form_pairs(query.unwrap_or_default()) {
        let name = name.ok_or(Rejection::MatchersMalformed)?;
        match name.as_str() {
            "match" | "match_exact" => {
                let selector = value.and_then(|value| TopicSelector::exact(&value));
                wanted.push(selector.ok_or(Rejection::MatchersMalformed)?);
            }
            "topic" => return Err(Rejection::MatchersMalformed),
            other if is_reserved(other) => return Err(Rejection::MatchersMalformed),
            _ => {}
        }
        if wanted.len() > MATCHERS_MAX {
            return Err(Rejection::MatchersMalformed);
        }
    }
    if wanted.is_empty() { Err(Rejection::MatchersMalformed) } else { Ok(wanted) }
}

fn is_reserved(name: &str) -> bool {
    name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("match"))
}

const MATCHERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_one_to_a_hundred_matchers_and_no_other_of_their_names() {
        let count = |query: &str| matchers(Some(query)).map(|wanted| wanted.len());
        assert_eq!(count("match=a&x=y&match_exact=https%3A%2F%2Fexample.com%2F%7Bid%7D"), Ok(2));
        assert_eq!(count("match=*"), Ok(1));
        let of = |number: usize| vec!["match=t"; number].join("&");
        assert_eq!(count(&of(100)), Ok(100));
        for bad in [
            "",
            "x=y",
            "match=",
            "match=%FF",
            "match=a%00",
            "match=a%C2%85",
            "match=a%E2%80%8B",
            "Match=a&match=a",
            "match=a&match_urlpattern=https%3A%2F%2Fexample.com%2F%3Aid",
            "match=a&matchURLPattern=b",
            "match=a&match_regexp=b",
            "match=a&topic=a",
            "topic=a",
            &of(101),
            &format!("match={}", "t".repeat(4097)),
        ] {
            assert_eq!(count(bad), Err(Rejection::MatchersMalformed), "{bad}");
        }
        assert!(matchers(None).is_err());
        let wanted = matchers(Some("match=a%7Bid%7D")).expect("good");
        assert!(wanted[0].matches("a{id}") && !wanted[0].matches("a1"), "1.0 has no templates");
    }
}
