//! Owns an update: what a publisher may say, and its text as an event.
//! Never knows who gets it.

use super::publishable::is_reserved_text;
use super::selector::{TOPIC_BYTES_MAX, TopicSelector, is_topic};
use crate::auth::form_pairs;
use crate::protocol::events;
use crate::rejection::Rejection;
use bytes::Bytes;
use serde_json::Value;

/// What the claim `mercure` of a token says.
#[derive(Debug, Default)]
pub struct MercureClaim {
    /// The topics that may be published; `None` without the member.
    pub publish: Option<Vec<TopicSelector>>,
    /// The topics whose private updates may be read; `None` without the member.
    pub subscribe: Option<Vec<TopicSelector>>,
    /// What the subscriptions API tells of the subscriber.
    pub payload: Option<Value>,
}

impl MercureClaim {
    /// Takes the claim as it stands in a token whose signature has been verified; its whole text is
    /// within the bounds of a token.
    ///
    /// # Errors
    /// [`Rejection::TokenClaims`] for anything but lists of selectors.
    pub fn parse(claim: &Value) -> Result<MercureClaim, Rejection> {
        let claim = claim.as_object().ok_or(Rejection::TokenClaims)?;
        let list = |name: &str| match claim.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) if list.len() <= SELECTORS_MAX => {
                let selector = |one: &Value| one.as_str().and_then(TopicSelector::parse);
                let list: Option<Vec<_>> = list.iter().map(selector).collect();
                list.map(Some).ok_or(Rejection::TokenClaims)
            }
            Some(_) => Err(Rejection::TokenClaims),
        };
        Ok(MercureClaim {
            publish: list("publish")?,
            subscribe: list("subscribe")?,
            payload: claim.get("payload").cloned(),
        })
    }
}

/// The fields of a publication, judged.
#[derive(Debug)]
pub struct Form {
    topics: Vec<Box<str>>,
    data: String,
    private: bool,
    pub(super) id: Option<String>,
    pub(super) kind: Option<String>,
    retry: Option<u64>,
}

impl Form {
    /// Takes a body of `application/x-www-form-urlencoded`. The first topic is the canonical one.
    ///
    /// # Errors
    /// [`Rejection::UpdateMalformed`]; [`Rejection::BodyTooLarge`] for data over `data_bytes`;
    /// [`Rejection::TopicReserved`] for a topic of the hub's own at this path.
    pub fn parse(body: &[u8], data_bytes: usize, hub: &str) -> Result<Form, Rejection> {
        let malformed = Rejection::UpdateMalformed;
        let text = std::str::from_utf8(body).map_err(|_| malformed)?;
        let (mut topics, mut data, mut private) = (Vec::<Box<str>>::new(), None, false);
        let (mut id, mut kind, mut retry) = (None, None, None);
        for (name, value) in form_pairs(text) {
            let value = value.ok_or(malformed)?;
            let single = |place: &mut Option<String>, value: String| match place.replace(value) {
                None => Ok(()),
                Some(_) => Err(malformed),
            };
            match name.as_deref() {
                Some("topic") if topics.len() < TOPICS_MAX && is_topic(&value) => topics.push(value.into()),
                Some("topic") => return Err(malformed),
                Some("data") => single(&mut data, value)?,
                Some("id") => single(&mut id, value)?,
                Some("type") => single(&mut kind, value)?,
                Some("retry") => single(&mut retry, value)?,
                // Its presence alone counts.
                Some("private") => private = true,
                Some(_) => {}
                None => return Err(malformed),
            }
        }
        let data = data.unwrap_or_default();
        if data.len() > data_bytes {
            return Err(Rejection::BodyTooLarge);
        }
        if topics.is_empty() || id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(malformed);
        }
        if kind.as_deref().is_some_and(|kind| !is_line(kind)) {
            return Err(malformed);
        }
        let is_number = |text: &String| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        let retry = match retry {
            None => None,
            Some(text) if is_number(&text) => Some(text.parse().map_err(|_| malformed)?),
            Some(_) => return Err(malformed),
        };
        if topics.iter().any(|topic| is_reserved_text(topic, hub)) {
            return Err(Rejection::TopicReserved);
        }
        // An empty id means none, as forms that leave a field empty do.
        let id = id.filter(|id| !id.is_empty());
        Ok(Form { topics, data, private, id, kind: kind.filter(|kind| !kind.is_empty()), retry })
    }

    /// Its topics.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|topic| &**topic)
    }

    /// Its data: what a room gets of it.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The update, with `fresh` for an id where the publisher gave none.
    #[must_use]
    pub fn into_update(self, fresh: impl FnOnce() -> String) -> Update {
        let id = self.id.unwrap_or_else(fresh);
        Update::new(self.topics, self.private, id, self.kind.as_deref(), self.retry, &self.data)
    }
}

/// One update, encoded once for all who get it.
#[derive(Debug)]
pub struct Update {
    topics: Box<[Box<str>]>,
    private: bool,
    id: Box<str>,
    event: Bytes,
}

impl Update {
    fn new(
        topics: Vec<Box<str>>,
        private: bool,
        id: String,
        kind: Option<&str>,
        retry: Option<u64>,
        data: &str,
    ) -> Update {
        let mut event = Vec::with_capacity(data.len() + id.len() + 64);
        let mut field = |name: &str, value: &str| {
            event.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        };
        // INVARIANT: neither a type nor an id has a line end: `is_line` has judged them.
        if let Some(kind) = kind {
            field("event", kind);
        }
        if let Some(retry) = retry.filter(|retry| *retry > 0) {
            field("retry", &retry.to_string());
        }
        field("id", &id);
        events::encode_data(data, &mut event);
        event.push(b'\n');
        Update { topics: topics.into(), private, id: id.into(), event: event.into() }
    }

    /// A private update of the gateway's own: who may read the topic gets it.
    #[must_use]
    pub fn private(topic: String, id: String, data: &str) -> Update {
        Update::new(vec![topic.into()], true, id, None, None, data)
    }

    /// The same as an event of this type.
    pub(super) fn private_of_type(topic: String, id: String, kind: &str, data: &str) -> Update {
        Update::new(vec![topic.into()], true, id, Some(kind), None, data)
    }

    /// Its id, by which a reader says how far it came.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its text.
    #[must_use]
    pub fn event(&self) -> &Bytes {
        &self.event
    }

    /// Whether only those who are granted one of its topics may read it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Whether one of its topics is meant by one of these.
    #[must_use]
    pub fn is_of(&self, selectors: &[TopicSelector]) -> bool {
        self.topics.iter().any(|topic| selectors.iter().any(|selector| selector.matches(topic)))
    }

    /// Octets that it takes.
    pub(super) fn weight(&self) -> usize {
        let topics: usize = self.topics.iter().map(|topic| topic.len()).sum();
        self.event.len().saturating_add(topics).saturating_add(self.id.len()).saturating_add(WEIGHT_MIN)
    }
}

/// An id is written into event streams and into a response field; `#` begins what is no id, and
/// `earliest` means all of them.
fn is_id(id: &str) -> bool {
    id.len() <= ID_BYTES_MAX && is_line(id) && !id.starts_with('#') && id != EARLIEST
}

/// One line of an event stream.
fn is_line(text: &str) -> bool {
    text.len() <= TOPIC_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Stands for what was before every update that is kept.
pub(super) const EARLIEST: &str = "earliest";
const SELECTORS_MAX: usize = 1000;
const TOPICS_MAX: usize = 1000;
const ID_BYTES_MAX: usize = 256;
const WEIGHT_MIN: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::RESERVED_TOPICS;
    use super::*;

    fn update(body: &str) -> Result<Update, Rejection> {
        Form::parse(body.as_bytes(), 20, RESERVED_TOPICS).map(|form| form.into_update(|| "fresh".to_owned()))
    }

    fn event(body: &str) -> String {
        String::from_utf8(update(body).expect(body).event().to_vec()).expect("UTF-8")
    }

    #[test]
    fn an_update_is_an_event_with_its_fields() {
        assert_eq!(event("topic=a&data=hi"), "id: fresh\ndata: hi\n\n");
        assert_eq!(event("topic=a"), "id: fresh\ndata: \n\n");
        assert_eq!(
            event("topic=a&data=a%0D%0Ab+c&id=urn%3A1&type=t&retry=5"),
            "event: t\nretry: 5\nid: urn:1\ndata: a\ndata: b c\n\n"
        );
        assert_eq!(event("topic=a&data=x&retry=0&id=&type=&unknown=y"), "id: fresh\ndata: x\n\n");
    }

    #[test]
    fn what_could_change_a_stream_or_is_no_publication_is_refused() {
        for bad in [
            "",
            "data=x",
            "topic=",
            "topic=a%00",
            "topic=a%0Ab",
            "topic=%FF",
            "topic=a&data=%C3",
            "topic=a&data=1&data=2",
            "topic=a&id=1&id=2",
            "topic=a&id=%23x",
            "topic=a&id=a%0Ab",
            "topic=a&id=a%00b",
            "topic=a&id=earliest",
            "topic=a&type=a%0Adata%3A+evil",
            "topic=a&type=a%0Db",
            "topic=a&retry=-1",
            "topic=a&retry=x",
            "topic=a&retry=",
            "topic=a&retry=99999999999999999999999",
            &format!("topic={}", "t".repeat(TOPIC_BYTES_MAX + 1)),
            &"topic=a&".repeat(TOPICS_MAX + 1),
        ] {
            assert_eq!(update(bad).err(), Some(Rejection::UpdateMalformed), "{bad}");
        }
        assert_eq!(update("topic=a&data=123456789012345678901").err(), Some(Rejection::BodyTooLarge));
        for reserved in [
            "/.well-known/mercure",
            "%2F.well-known%2Fmercure%2Fsubscriptions%2Fa",
            "https://any.example/.well-known/mercure/subscriptions/a",
            "/.well-known/%256Dercure/subscriptions/a",
        ] {
            assert_eq!(update(&format!("topic=a&topic={reserved}")).err(), Some(Rejection::TopicReserved));
        }
    }

    #[test]
    fn private_counts_by_its_presence_and_every_topic_is_one() {
        let selectors = |text: &str| vec![TopicSelector::parse(text).expect(text)];
        let both = update("topic=a&topic=b&private=").expect("an update");
        assert!(both.is_private() && both.is_of(&selectors("b")) && !both.is_of(&selectors("c")));
        assert!(!update("topic=a").expect("an update").is_private());
    }

    #[test]
    fn a_claim_is_lists_of_selectors_or_refused() {
        let parse = |text: &str| MercureClaim::parse(&serde_json::from_str(text).expect(text));
        let claim = parse(r#"{"publish":["*"],"subscribe":[],"payload":{"a":1}}"#).expect("a claim");
        assert!(
            claim.publish.is_some_and(|list| list.len() == 1)
                && claim.subscribe.is_some_and(|list| list.is_empty())
        );
        assert!(parse("{}").is_ok_and(|claim| claim.publish.is_none() && claim.payload.is_none()));
        for bad in [
            "[]",
            "1",
            r#"{"publish":"*"}"#,
            r#"{"publish":[1]}"#,
            r#"{"subscribe":[""]}"#,
            r#"{"subscribe":{}}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
