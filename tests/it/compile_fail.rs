//! Owns the proof that evidence cannot be forged: programs that must not compile.
//! Never knows a running gateway.

use portcullis::auth::{BearerToken, Identity, RoomGrant};
use portcullis::broadcast::{Publisher, Subscriber};
use portcullis::gate::{Admitted, PermittedOrigin, RawHead, UpgradeRequest};
use serde::de::DeserializeOwned;

#[test]
fn evidence_cannot_be_forged() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

/// One way to be this for every type, and a second one for what can be read from JSON: then it
/// is not clear which is meant, and that does not compile.
trait NotRead<Way> {
    fn is_not_read() -> bool {
        true
    }
}
impl<T> NotRead<()> for T {}
impl<T: DeserializeOwned> NotRead<u8> for T {}

#[test]
fn evidence_cannot_be_read_from_outside() {
    assert!(<UpgradeRequest<'static> as NotRead<_>>::is_not_read());
    assert!(<BearerToken<'static> as NotRead<_>>::is_not_read());
    assert!(<Identity as NotRead<_>>::is_not_read());
    assert!(<Admitted as NotRead<_>>::is_not_read());
    assert!(<RoomGrant<'static> as NotRead<_>>::is_not_read());
    assert!(<RawHead<'static> as NotRead<_>>::is_not_read());
    assert!(<PermittedOrigin as NotRead<_>>::is_not_read());
    assert!(<Subscriber as NotRead<_>>::is_not_read());
    assert!(<Publisher as NotRead<_>>::is_not_read());
}
