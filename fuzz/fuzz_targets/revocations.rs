//! The text form of revocations: taken whole or not at all, and the same when written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::auth::Revocations;

fuzz_target!(|octets: &[u8]| {
    let Ok(revocations) = Revocations::from_text(octets) else { return };
    let text = revocations.to_text();
    let again = Revocations::from_text(&text).expect("what was written is read");
    assert_eq!(again.count(), revocations.count());
    assert_eq!(again.to_text(), text);
    // A file that was cut anywhere is no list: half of one would let revoked tokens in.
    let whole = octets.trim_ascii_end().len();
    for end in [0, whole / 3, whole / 2, whole - 1] {
        assert!(Revocations::from_text(&octets[..end]).is_err(), "cut at {end}");
    }
});
