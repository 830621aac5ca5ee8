//! Owns what a token of version 1.0 grants: the claim `authorization_details` (RFC 9396).
//! Never knows whether the token is good.

use super::selector::TopicSelector;
use super::update::MercureClaim;
use crate::rejection::Rejection;
use serde_json::{Map, Value};

/// What the details of a token say, which has been verified; whatever is of another type is none of
/// the hub's. A token without the claim grants nothing.
///
/// # Errors
/// [`Rejection::TokenClaims`] for a detail of the hub's that is malformed, or has a matcher of a kind
/// that is not known here: half of a token is never taken.
pub(crate) fn parse_details(details: Option<&Value>) -> Result<MercureClaim, Rejection> {
    let mut claim = MercureClaim::default();
    let Some(details) = details else { return Ok(claim) };
    let details = details.as_array().ok_or(Rejection::TokenClaims)?;
    for detail in details {
        let detail = detail.as_object().ok_or(Rejection::TokenClaims)?;
        let kind = detail.get("type").and_then(Value::as_str).ok_or(Rejection::TokenClaims)?;
        if kind == DETAIL_TYPE {
            add(detail, &mut claim)?;
        }
    }
    Ok(claim)
}

fn add(detail: &Map<String, Value>, claim: &mut MercureClaim) -> Result<(), Rejection> {
    let actions = list(detail, "actions")?;
    let topics = list(detail, "topics")?;
    let payload = detail.get("payload");
    if payload.is_some_and(|payload| !payload.is_object()) {
        return Err(Rejection::TokenClaims);
    }
    let (mut publishes, mut subscribes) = (false, false);
    for action in actions {
        match action.as_str().ok_or(Rejection::TokenClaims)? {
            "publish" => publishes = true,
            "subscribe" => subscribes = true,
            // What another hub may know.
            _ => {}
        }
    }
    for (granted, into) in [(publishes, &mut claim.publish), (subscribes, &mut claim.subscribe)] {
        // Read also where nothing is granted: a malformed matcher makes the token invalid.
        let selectors: Vec<_> = topics.iter().map(matcher).collect::<Result<_, _>>()?;
        if granted {
            into.get_or_insert_default().extend(selectors);
        }
        if into.as_ref().is_some_and(|all| all.len() > MATCHERS_MAX) {
            return Err(Rejection::TokenClaims);
        }
    }
    // What is told of a subscriber is what the first detail says by which it may subscribe.
    if subscribes && claim.payload.is_none() {
        claim.payload = payload.cloned();
    }
    Ok(())
}

fn list<'d>(detail: &'d Map<String, Value>, name: &str) -> Result<&'d [Value], Rejection> {
    match detail.get(name) {
        Some(Value::Array(list)) if !list.is_empty() => Ok(list),
        Some(_) | None => Err(Rejection::TokenClaims),
    }
}

fn matcher(topic: &Value) -> Result<TopicSelector, Rejection> {
    let topic = topic.as_object().ok_or(Rejection::TokenClaims)?;
    let is_exact = topic.get("match_type").is_none_or(|kind| kind == "exact");
    let text = topic.get("match").and_then(Value::as_str).filter(|_| is_exact);
    text.and_then(TopicSelector::exact).ok_or(Rejection::TokenClaims)
}

/// The type of the details that are the hub's.
pub(crate) const DETAIL_TYPE: &str = "https://mercure.rocks/authorization-detail";
const MATCHERS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(details: &Value) -> Result<(Option<usize>, Option<usize>), Rejection> {
        let claim = parse_details(Some(details))?;
        Ok((claim.publish.map(|list| list.len()), claim.subscribe.map(|list| list.len())))
    }

    fn detail(actions: &[&str], topics: &Value) -> Value {
        json!([{ "type": DETAIL_TYPE, "actions": actions, "topics": topics }])
    }

    #[test]
    fn details_grant_their_actions_on_their_topics_and_those_of_others_nothing() {
        let topics = json!([{ "match": "a" }, { "match": "*", "match_type": "exact" }]);
        assert_eq!(parse(&detail(&["publish"], &topics)), Ok((Some(2), None)));
        assert_eq!(parse(&detail(&["subscribe", "publish", "other"], &topics)), Ok((Some(2), Some(2))));
        assert_eq!(parse(&detail(&["other"], &topics)), Ok((None, None)));
        assert_eq!(parse(&json!([{ "type": "payment", "actions": 1 }])), Ok((None, None)));
        assert_eq!(parse(&json!([])), Ok((None, None)));
        assert!(parse_details(None).is_ok_and(|claim| claim.publish.is_none() && claim.subscribe.is_none()));
        let twice = json!([detail(&["subscribe"], &topics)[0], detail(&["subscribe"], &topics)[0]]);
        assert_eq!(parse(&twice), Ok((None, Some(4))));
        let claim =
            parse_details(Some(&detail(&["subscribe"], &json!([{ "match": "a{id}" }])))).expect("good");
        let granted = claim.subscribe.expect("granted");
        assert!(granted[0].matches("a{id}") && !granted[0].matches("a1"), "1.0 has no templates");
        let with = |action: &str, name: &str| json!({ "type": DETAIL_TYPE, "actions": [action], "topics": topics, "payload": { "name": name } });
        let details = json!([with("publish", "p"), with("subscribe", "s"), with("subscribe", "t")]);
        let payload = parse_details(Some(&details)).expect("good").payload;
        assert_eq!(payload, Some(json!({ "name": "s" })));
    }

    #[test]
    fn one_malformed_detail_makes_the_token_invalid() {
        let good = json!([{ "match": "a" }]);
        let many: Vec<_> = (0..=MATCHERS_MAX).map(|_| json!({ "match": "a" })).collect();
        for bad in [
            json!({}),
            json!(["x"]),
            json!([{ "actions": ["publish"] }]),
            json!([{ "type": DETAIL_TYPE }]),
            json!([{ "type": DETAIL_TYPE, "actions": "publish", "topics": good }]),
            json!([{ "type": DETAIL_TYPE, "actions": [1], "topics": good }]),
            json!([{ "type": DETAIL_TYPE, "actions": ["publish"], "topics": good, "payload": 1 }]),
            detail(&[], &good),
            detail(&["publish"], &json!([])),
            detail(&["publish"], &json!(["a"])),
            detail(&["publish"], &json!([{}])),
            detail(&["publish"], &json!([{ "match": "" }])),
            detail(&["publish"], &json!([{ "match": "a", "match_type": "urlpattern" }])),
            detail(&["publish"], &json!([{ "match": "a", "match_type": "Exact" }])),
            detail(&["publish"], &json!([{ "match": "a", "match_type": null }])),
            detail(&["other"], &json!([{ "match": "a", "match_type": "regex" }])),
            detail(&["publish"], &json!(many)),
        ] {
            assert_eq!(parse(&bad), Err(Rejection::TokenClaims), "{bad}");
        }
    }
}
