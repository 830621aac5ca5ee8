//! Owns what a request to a hub names: topic selectors of version 0.x, the update that was read last,
//! and the subscriptions that are asked for.
//! Never knows who asks.

use crate::auth::form_pairs;
use crate::mercure::{EXACT, TopicSelector, Version};
use crate::rejection::Rejection;
use http::request::Parts;

/// Which subscriptions are asked for: all, those of a topic selector, or one.
#[derive(Debug, PartialEq, Eq)]
pub struct SubscriptionsAsked {
    /// The path that was asked for.
    pub path: Box<str>,
    /// The topic selector.
    pub topic: Option<String>,
    /// The subscriber.
    pub subscriber: Option<String>,
}

/// The topic selectors of a query: one at least.
pub(super) fn wanted(query: Option<&str>) -> Result<Vec<TopicSelector>, Rejection> {
    let mut wanted = Vec::new();
    for (name, value) in form_pairs(query.unwrap_or_default()) {
        if name.as_deref() != Some("topic") {
            continue;
        }
        let selector = value.and_then(|value| TopicSelector::parse(&value));
        wanted.push(selector.ok_or(Rejection::TopicsMalformed)?);
        if wanted.len() > WANTED_MAX {
            return Err(Rejection::TopicsMalformed);
        }
    }
    if wanted.is_empty() { Err(Rejection::TopicsMalformed) } else { Ok(wanted) }
}

/// The update that was read last: a browser that comes back says it in the field, a page in the query.
pub(super) fn last_event_id(request: &Parts, version: Version) -> Result<Option<Box<str>>, Rejection> {
    let mut lines = request.headers.get_all("last-event-id").iter();
    let id = match (lines.next(), lines.next()) {
        (Some(line), None) => {
            let id = std::str::from_utf8(line.as_bytes()).map_err(|_| Rejection::TopicsMalformed)?;
            Some(id).filter(|id| !id.is_empty()).map(Box::from)
        }
        (Some(_), Some(_)) => return Err(Rejection::TopicsMalformed),
        (None, _) => {
            let mut pairs = form_pairs(request.uri.query().unwrap_or_default());
            let found =
                pairs.find(|(name, _)| name.as_deref().is_some_and(|name| version.is_last_event_id(name)));
            match found {
                None => None,
                Some((_, Some(value))) => Some(value.into_boxed_str()).filter(|value| !value.is_empty()),
                Some((_, None)) => return Err(Rejection::TopicsMalformed),
            }
        }
    };
    if id.as_ref().is_some_and(|id| id.len() > EVENT_ID_BYTES_MAX) {
        return Err(Rejection::TopicsMalformed);
    }
    Ok(id)
}

/// What is asked for below the hub's path: `/subscriptions[/{topic}[/{subscriber}]]`, in version 1.0 with
/// the kind of the matcher before the topic.
pub(super) fn subscriptions_asked(path: &str, below: &str, version: Version) -> Option<SubscriptionsAsked> {
    let mut parts = below.strip_prefix("/subscriptions")?.split('/');
    if parts.next() != Some("") {
        return None;
    }
    let mut segment = || match parts.next() {
        None => Some(None),
        // One segment is decoded as a name is, so that `=` and `&` in it are nothing of a form's.
        Some(part) if !part.is_empty() && !part.contains(['=', '&', '+']) => {
            let (name, _) = form_pairs(part).next()?;
            name.map(Some)
        }
        Some(_) => None,
    };
    let kind = if version == Version::One { segment()? } else { None };
    if kind.as_ref().is_some_and(|kind| kind != EXACT) {
        return None;
    }
    let (topic, subscriber) = (segment()?, segment()?);
    if kind.is_some() && topic.is_none() {
        return None;
    }
    parts.next().is_none().then_some(SubscriptionsAsked { path: path.into(), topic, subscriber })
}

const WANTED_MAX: usize = 100;
const EVENT_ID_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_to_a_hundred_topics() {
        let count = |query: &str| wanted(Some(query)).map(|wanted| wanted.len());
        assert_eq!(count("topic=a&x=y&topic=https%3A%2F%2Fexample.com%2F%7Bid%7D"), Ok(2));
        let of = |number: usize| vec!["topic=t"; number].join("&");
        assert_eq!(count(&of(100)), Ok(100));
        for bad in ["", "x=y", "topic=", "topic=%FF", "topic=a%00", "Topic=a", &of(101)] {
            assert_eq!(count(bad), Err(Rejection::TopicsMalformed), "{bad}");
        }
        assert!(wanted(None).is_err());
    }

    #[test]
    fn subscriptions_are_asked_for_by_topic_and_subscriber() {
        let asked = |below: &str| {
            subscriptions_asked("/m", below, Version::Zero).map(|asked| (asked.topic, asked.subscriber))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(asked("/subscriptions"), Some((None, None)));
        assert_eq!(asked("/subscriptions/a%2Fb%3D"), Some((text("a/b="), None)));
        assert_eq!(asked("/subscriptions/a/urn%3As"), Some((text("a"), text("urn:s"))));
        for bad in [
            "/",
            "/other",
            "/subscriptionsx",
            "/subscriptions/",
            "/subscriptions/a/b/c",
            "/subscriptions/%FF",
        ] {
            assert_eq!(asked(bad), None, "{bad}");
        }
        let asked = |below: &str| {
            subscriptions_asked("/m", below, Version::One).map(|asked| (asked.topic, asked.subscriber))
        };
        assert_eq!(asked("/subscriptions"), Some((None, None)));
        assert_eq!(asked("/subscriptions/exact/a%2Fb"), Some((text("a/b"), None)));
        assert_eq!(asked("/subscriptions/exact/a/s"), Some((text("a"), text("s"))));
        for bad in [
            "/subscriptions/exact",
            "/subscriptions/a",
            "/subscriptions/urlpattern/a",
            "/subscriptions/exact/a/b/c",
        ] {
            assert_eq!(asked(bad), None, "{bad}");
        }
    }
}
