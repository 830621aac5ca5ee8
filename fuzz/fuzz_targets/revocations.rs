//! The text form of revocations: taken whole or not at all, and the same when written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::auth::Revocations;
use serde_json::{Value, json};

fuzz_target!(|octets: &[u8]| {
    let Ok(revocations) = Revocations::from_text(octets) else { return };
    let text = revocations.to_text();
    let before = entries(octets);
    assert_eq!(before, entries(&text), "every entry is kept, and none is added");
    let count: usize = before.iter().filter_map(Value::as_object).map(|list| list.len()).sum();
    assert_eq!(revocations.count(), count);
    let again = Revocations::from_text(&text).expect("what was written is read");
    assert_eq!(again.to_text(), text);
    // A file that was cut anywhere is no list: half of one would let revoked tokens in.
    let whole = octets.trim_ascii_end().len();
    for end in [0, whole / 3, whole / 2, whole - 1] {
        assert!(Revocations::from_text(&octets[..end]).is_err(), "cut at {end}");
    }
});

/// The tokens and the subjects of a list, as another reader sees them. An object may be written
/// as the list of its values.
fn entries(text: &[u8]) -> [Value; 2] {
    let list: Value = serde_json::from_slice(text).expect("JSON");
    let of = |value: &Value, name: &str, at: usize| {
        value.get(name).or_else(|| value.get(at)).cloned().expect("a member")
    };
    let subjects = of(&list, "subjects", 2);
    let times = subjects
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, times)| (name.clone(), json!([of(times, "issued_up_to", 0), of(times, "kept", 1)])));
    [of(&list, "tokens", 1), Value::Object(times.collect())]
}
