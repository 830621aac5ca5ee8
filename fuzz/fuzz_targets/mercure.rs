//! What a publisher and a subscriber of a hub may write: forms, topics, URI templates.
//!
//! The first line of the input is a selector, the second a topic, the rest the body of a publication.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::mercure::{Form, TopicSelector};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |octet| *octet == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (selector, topic, body) = (part(), part(), part());
    if let (Ok(selector), Ok(topic)) = (std::str::from_utf8(selector), std::str::from_utf8(topic)) {
        judge_selector(selector, topic);
    }
    let any = Form::parse(body, 4096, HUB);
    judge_one(Form::parse_one(body, 4096, HUB).ok().as_ref(), any.as_ref().ok());
    let Ok(form) = any else { return };
    assert!(form.topics().next().is_some());
    let data = form.data().replace("\r\n", "\n").replace('\r', "\n");
    let update = form.into_update(|| "fresh".to_owned());
    judge_event(std::str::from_utf8(update.event()).expect("UTF-8"), update.id(), &data);
});

/// What version 1.0 takes, version 0.x takes as well and to the same effect, and it is one topic that
/// nobody resolves to the hub's own.
fn judge_one(one: Option<&Form>, any: Option<&Form>) {
    let Some(one) = one else { return };
    let any = any.expect("what 1.0 takes");
    assert!(one.topics().eq(any.topics()) && one.data() == any.data());
    let mut topics = one.topics();
    let (topic, more) = (topics.next().expect("a topic"), topics.next());
    assert!(more.is_none() && topic != "*");
    let path = topic.split(['?', '#']).next().unwrap_or_default();
    for own in [HUB, "/.well-known/mercure"] {
        let below = path.strip_prefix(own);
        assert!(!below.is_some_and(|below| below.is_empty() || below.starts_with('/')), "{topic:?}");
    }
}

const HUB: &str = "/hub";

fn judge_selector(text: &str, topic: &str) {
    let Some(selector) = TopicSelector::parse(text) else { return };
    assert!(selector.matches(text), "every selector means itself");
    let matched = selector.matches(topic);
    if text == "*" {
        assert!(matched);
    } else if !text.contains('{') {
        assert_eq!(matched, text == topic);
    } else if matched && text != topic {
        // What stands before the first expression and behind the last is there in every expansion.
        let before = text.split('{').next().unwrap_or_default();
        let behind = text.rsplit('}').next().unwrap_or_default();
        assert!(topic.starts_with(before) && topic.ends_with(behind));
    }
}

/// One event: known fields, each once but data, and then an empty line.
fn judge_event(event: &str, id: &str, data: &str) {
    let lines = event.strip_suffix("\n\n").expect("an end").split('\n');
    let (mut read, mut ids, mut kinds, mut retries) = (Vec::new(), Vec::new(), 0, 0);
    for line in lines {
        assert!(!line.contains('\r'), "another reader would see two lines");
        match line.split_once(": ").expect("a field") {
            ("data", value) => read.push(value),
            ("id", value) => ids.push(value),
            ("event", _) => kinds += 1,
            ("retry", value) => {
                assert!(value.parse::<u64>().is_ok_and(|value| value > 0));
                retries += 1;
            }
            (other, _) => panic!("a field {other:?}"),
        }
    }
    assert_eq!(read.join("\n"), data);
    assert_eq!(ids, [id]);
    assert!(kinds <= 1 && retries <= 1);
}
