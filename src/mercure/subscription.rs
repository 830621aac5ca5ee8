//! Owns what one subscriber wants, what it may read, and how that is told to others.
//! Never knows its connection.

use super::selector::TopicSelector;
use super::update::{MercureClaim, Update};
use super::version::Version;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// One subscriber.
#[derive(Debug)]
pub struct Subscription {
    /// A name of the hub's own making.
    subscriber: Arc<str>,
    wanted: Arc<[TopicSelector]>,
    claim: Arc<MercureClaim>,
}

impl Subscription {
    /// What is wanted, and what the claim of a token grants; nothing private without one.
    #[must_use]
    pub fn new(subscriber: String, wanted: Vec<TopicSelector>, claim: Option<MercureClaim>) -> Subscription {
        let claim = Arc::new(claim.unwrap_or_default());
        Subscription { subscriber: subscriber.into(), wanted: wanted.into(), claim }
    }

    /// The same by another token.
    pub(super) fn with(&self, claim: Arc<MercureClaim>) -> Subscription {
        Subscription { subscriber: self.subscriber.clone(), wanted: Arc::clone(&self.wanted), claim }
    }

    /// Whether an update is for this subscriber: one of its topics is wanted, and where it is
    /// private, one is granted.
    #[must_use]
    pub fn gets(&self, update: &Update) -> bool {
        update.is_of(&self.wanted)
            && (!update.is_private() || update.is_of(self.claim.subscribe.as_deref().unwrap_or_default()))
    }

    /// The topic of each of its subscriptions below the hub's path, with what is told of it.
    pub(super) fn told(
        &self,
        path: &str,
        active: bool,
        version: Version,
    ) -> impl Iterator<Item = (String, Value)> {
        self.wanted.iter().map(move |selector| {
            let topic = selector.as_str();
            let id = subscription_path(path, topic, &self.subscriber, version);
            let mut told = match version {
                Version::Zero => json!({
                    "id": id,
                    "type": "Subscription",
                    "topic": topic,
                    "subscriber": &*self.subscriber,
                    "active": active,
                }),
                Version::One => json!({
                    "id": id,
                    "type": "subscription",
                    "match_type": EXACT,
                    "match": topic,
                    "subscriber": &*self.subscriber,
                    "active": active,
                }),
            };
            if let (Some(payload), Some(object)) = (&self.claim.payload, told.as_object_mut()) {
                object.insert("payload".to_owned(), payload.clone());
            }
            (id, told)
        })
    }

    /// What it wants.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(TopicSelector::as_str)
    }

    pub(super) fn subscriber(&self) -> &str {
        &self.subscriber
    }
}

fn subscription_path(path: &str, topic: &str, subscriber: &str, version: Version) -> String {
    let (topic, subscriber) = (encoded_segment(topic), encoded_segment(subscriber));
    match version {
        Version::Zero => format!("{path}/subscriptions/{topic}/{subscriber}"),
        Version::One => format!("{path}/subscriptions/{EXACT}/{topic}/{subscriber}"),
    }
}

/// The kind of every matcher that is served in version 1.0.
pub(crate) const EXACT: &str = "exact";

/// A text as one segment of a path: everything but unreserved octets is encoded.
#[must_use]
pub fn encoded_segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut segment, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            segment.push(char::from(octet));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(segment, "%{octet:02X}");
        }
        segment
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_nothing_that_a_path_could_take_for_its_own() {
        assert_eq!(
            encoded_segment("https://example.com/{id}?a=é"),
            "https%3A%2F%2Fexample.com%2F%7Bid%7D%3Fa%3D%C3%A9"
        );
    }
}
