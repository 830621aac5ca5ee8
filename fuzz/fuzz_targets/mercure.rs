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
    let Ok(form) = Form::parse(body, 4096) else { return };
    assert!(form.topics().next().is_some());
    let data = form.data().replace("\r\n", "\n").replace('\r', "\n");
    let update = form.into_update(|| "fresh".to_owned());
    judge_event(std::str::from_utf8(update.event()).expect("UTF-8"), update.id(), &data);
});

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
