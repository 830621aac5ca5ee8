//! Owns tests of what a token grants.
//! Never knows who is in a room.

use super::super::*;
use super::forge::*;
use crate::rejection::Rejection;
use crate::room::RoomName;
use serde_json::{Value, json};

fn identity(grants: Value) -> Result<Identity, Rejection> {
    verify(&verifier(), &token_with(&with(good_claims(), "portcullis", grants).to_string()))
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room")
}

#[test]
fn a_room_is_entered_with_a_subscribe_grant_and_published_into_with_a_publish_grant() {
    let identity = identity(json!({"subscribe": ["lobby", "chat-*"], "publish": ["lobby", "vault"]}))
        .expect("an identity");
    for (name, right) in [
        ("lobby", Ok(true)),
        ("chat-1", Ok(false)),
        ("chat", Err(Rejection::RoomNotGranted)),
        ("vault", Err(Rejection::RoomNotGranted)),
        ("LOBBY", Err(Rejection::RoomNotGranted)),
    ] {
        let granted = identity.grant(&room(name));
        if let Ok(grant) = &granted {
            assert_eq!(grant.room(), &room(name));
            assert_eq!(grant.identity().subject(), identity.subject());
        }
        assert_eq!(granted.map(|grant| grant.may_publish()), right, "{name}");
    }
}

#[test]
fn a_token_without_grants_grants_nothing() {
    for grants in [json!({}), json!({"subscribe": []}), json!({"publish": ["lobby"]}), json!({"other": 1})] {
        let identity = identity(grants.clone()).expect("an identity");
        assert_eq!(identity.grant(&room("lobby")).err(), Some(Rejection::RoomNotGranted), "{grants}");
    }
    let token = token_with(&without(good_claims(), "portcullis").to_string());
    assert!(verify(&verifier(), &token).expect("an identity").grant(&room("lobby")).is_err());
}

#[test]
fn grants_are_arrays_of_room_patterns() {
    for grants in [
        json!(null),
        json!("lobby"),
        json!(["lobby"]),
        json!(1),
        json!({"subscribe": "lobby"}),
        json!({"subscribe": null}),
        json!({"subscribe": {"lobby": 1}}),
        json!({"subscribe": [1]}),
        json!({"subscribe": [["lobby"]]}),
        json!({"subscribe": [""]}),
        json!({"subscribe": ["a/b"]}),
        json!({"subscribe": ["a*b"]}),
        json!({"subscribe": ["lobby", "a b"]}),
        json!({"publish": "*"}),
        json!({"publish": ["**"]}),
        json!({"subscribe": vec!["a"; 257]}),
        json!({"publish": vec!["a"; 257]}),
    ] {
        assert_eq!(identity(grants.clone()).err(), Some(Rejection::TokenClaims), "{grants}");
    }
    assert!(identity(json!({"subscribe": vec!["a"; 256], "publish": vec!["a"; 256]})).is_ok());
}

#[test]
fn grants_are_where_the_issuer_has_them() {
    let claims = ClaimPaths {
        subject: "sub".into(),
        subscribe: "https://example.com/rooms".into(),
        publish: "portcullis.publish".into(),
    };
    let verifier = Verifier::new(vec![Issuer { claims, ..issuer(vec![key(Algorithm::Es256, Some(KID))]) }]);
    let claims = with(good_claims(), "https://example.com/rooms", json!(["den", "lobby"])).to_string();
    let identity = verify(&verifier, &token_with(&claims)).expect("an identity");
    assert_eq!(identity.grant(&room("den")).map(|grant| grant.may_publish()), Ok(false));
    assert_eq!(identity.grant(&room("lobby")).map(|grant| grant.may_publish()), Ok(true));
    assert!(identity.grant(&room("chat-1")).is_err());
}
