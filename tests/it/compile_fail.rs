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
    const IS: bool = true;
}
impl<T> NotRead<()> for T {}
impl<T: DeserializeOwned> NotRead<u8> for T {}

#[test]
fn evidence_cannot_be_read_from_outside() {
    assert!(<UpgradeRequest<'static> as NotRead<_>>::IS);
    assert!(<BearerToken<'static> as NotRead<_>>::IS);
    assert!(<Identity as NotRead<_>>::IS);
    assert!(<Admitted as NotRead<_>>::IS);
    assert!(<RoomGrant<'static> as NotRead<_>>::IS);
    assert!(<RawHead<'static> as NotRead<_>>::IS);
    assert!(<PermittedOrigin as NotRead<_>>::IS);
    assert!(<Subscriber as NotRead<_>>::IS);
    assert!(<Publisher as NotRead<_>>::IS);
}
