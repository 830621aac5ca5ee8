//! The octets of a request head, in any pieces: one verdict, at the same octet, and no request that
//! another reader would see otherwise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::gate::{HeadLimits, HeadProgress, judge_head};
use portcullis::rejection::Rejection;

const LIMITS: HeadLimits = HeadLimits { head_bytes: 16 << 10, field_lines: 64, target_bytes: 8_000 };
const TIGHT: HeadLimits = HeadLimits { head_bytes: 120, field_lines: 3, target_bytes: 16 };

// The first octet tells the size of the pieces, the others are what comes.
fuzz_target!(|octets: &[u8]| {
    let Some((&step, octets)) = octets.split_first() else { return };
    for limits in [LIMITS, TIGHT] {
        let whole = judge(octets, octets.len().max(1), &limits);
        assert_eq!(whole.0, judge(octets, usize::from(step).max(1), &limits).0);
        let (by_octet, seen) = judge(octets, 1, &limits);
        assert_eq!(whole.0, by_octet);
        // Each verdict is told at the first octet that makes it certain, so what follows is nothing to it.
        if by_octet != Ok(None) {
            let replaced = [&octets[..seen], b"\0\r\n\r\nGET / HTTP/1.1\r\n\r\n"].concat();
            assert_eq!(judge(&replaced, replaced.len(), &limits).0, by_octet);
        }
        if let Ok(Some(bytes)) = whole.0 {
            judge_good(&octets[..bytes], &limits);
        }
    }
});

/// The verdict (the length of a good head) and after how many octets it fell.
fn judge(octets: &[u8], step: usize, limits: &HeadLimits) -> (Result<Option<usize>, Rejection>, usize) {
    let mut progress = HeadProgress::default();
    let mut end = 0;
    loop {
        match judge_head(&octets[..end], &mut progress, limits) {
            Ok(None) if end == octets.len() => return (Ok(None), end),
            Ok(None) => end = octets.len().min(end + step),
            Ok(Some(head)) => return (Ok(Some(head.octets().len())), end),
            Err(reason) => return (Err(reason), end),
        }
    }
}

/// What must hold for a head that was taken.
fn judge_good(head: &[u8], limits: &HeadLimits) {
    assert!(head.len() <= limits.head_bytes);
    assert_eq!(head.windows(4).position(|four| four == b"\r\n\r\n"), Some(head.len() - 4));
    for (at, octet) in head.iter().enumerate() {
        match octet {
            b'\r' => assert_eq!(head[at + 1], b'\n', "a bare CR"),
            b'\n' => assert_eq!(head[at - 1], b'\r', "a bare LF"),
            0..=8 | 11..=31 | 127 => panic!("the control octet {octet}"),
            _ => {}
        }
    }
    // The reader behind ours sees the same request.
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(head), Ok(httparse::Status::Complete(head.len())));
    assert_eq!(request.version, Some(1));
    assert!(request.headers.len() <= limits.field_lines);
    let target = request.path.expect("a target");
    assert!(target.len() <= limits.target_bytes);
    target.parse::<http::Uri>().expect("a target that hyper takes");
    let named = |name: &str| {
        request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).collect::<Vec<_>>()
    };
    assert!(named("transfer-encoding").is_empty() && named("expect").is_empty());
    let lengths = named("content-length");
    assert!(lengths.len() <= 1 && lengths.iter().all(|field| field.value == b"0"));
}
