//! Owns the proof that evidence cannot be forged: programs that must not compile.
//! Never knows a running gateway.

#[test]
fn evidence_cannot_be_forged() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
