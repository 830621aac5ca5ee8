//! Owns the stories of what a subscription to the hub stands on: its end, revocation, renewal.
//! Never knows what is published.

use super::mercure::{TOPIC, data, hub, publish, subscribe, subscribing};
use super::tickets::answer_to;
use crate::support::refusal::{expect_refusal, refused};
use crate::support::stream::Got;
use crate::support::{End, Stream, Token};
use serde_json::{Value, json};

#[test]
fn a_subscription_ends_with_its_authority_and_is_listed() {
    let gateway = hub("auth.leeway = '0s'");
    let expires = crate::support::unix_now() + 2;
    let short = Token::of("carol").claim("mercure", json!({ "subscribe": [] })).claim("exp", json!(expires));
    let short = subscribing(&gateway, &[TOPIC], &[]).bearer(&short.sign(gateway.key()));
    let mut expiring = Stream::open(&short, gateway.place());
    let mut kicked = subscribe(&gateway, &[TOPIC], &[]);
    let listed = gateway.internal().get("/admin/connections").json();
    assert_eq!(listed["connections"][0]["transport"], "mercure", "{listed}");
    assert_eq!(
        gateway.internal().ask("POST", "/admin/kick", &[], r#"{"subject":"alice"}"#).json()["closed"],
        1
    );
    assert_eq!(kicked.next(), Got::Comment("kicked".to_owned()));
    assert_eq!(kicked.next(), Got::End(End::Clean));
    assert_eq!(expiring.next(), Got::Comment("authority_expired".to_owned()));
    assert_eq!(expiring.next(), Got::End(End::Clean));
    let mut drained = subscribe(&gateway, &[TOPIC], &[]);
    gateway.sigterm();
    assert_eq!(drained.next(), Got::Comment("drain".to_owned()));
}

#[test]
fn a_renewal_moves_a_subscription_with_what_the_new_token_grants() {
    let gateway = hub("auth.leeway = '0s'");
    let token = |jti: &str, granted: Value, expires: i64| {
        let token = Token::of("alice").claim("mercure", granted).claim("jti", json!(jti));
        token.claim("exp", json!(crate::support::unix_now() + expires)).sign(gateway.key())
    };
    let asked = subscribing(&gateway, &[TOPIC], &[]);
    let open = |bearer: &str| Stream::open(&asked.clone().bearer(bearer), gateway.place());
    let renew = |old: &str, bearer: &str| {
        let answer = answer_to(&gateway, "/renew", bearer, &json!({ "jti": old }).to_string());
        (answer.status, answer.json()["sessions"].as_u64())
    };
    let mut stream = open(&token("first", json!({ "subscribe": [] }), 2));
    let mut left = open(&token("left", json!({ "subscribe": [] }), 2));
    publish(&gateway, &[("topic", TOPIC), ("data", "not granted"), ("private", "on")]);
    let second = token("second", json!({ "subscribe": [TOPIC] }), 600);
    assert_eq!(renew("first", &second), (200, Some(1)));
    // The other one shows that the time of the first token is over.
    assert_eq!(left.next(), Got::Comment("authority_expired".to_owned()));
    publish(&gateway, &[("topic", TOPIC), ("data", "granted"), ("private", "on")]);
    assert_eq!(data(&mut stream), "granted");
    assert_eq!(renew("first", &second), (404, None), "nothing stands on it any more");
    let stranger = Token::of("bob").claim("mercure", json!({ "subscribe": ["*"] })).sign(gateway.key());
    assert_eq!(renew("second", &stranger), (404, None));
    let less = Token::of("alice").without("mercure").sign(gateway.key());
    assert_eq!(renew("second", &less), (404, None), "a subscription that is not granted ends");
    assert_eq!(stream.next(), Got::Comment("grant_gone".to_owned()));
}

#[test]
fn a_revocation_ends_the_subscriptions_of_its_token_and_of_the_one_that_followed() {
    let gateway = hub("");
    let token = |jti: &str| {
        let token = Token::of("alice").claim("mercure", json!({ "subscribe": [TOPIC] }));
        token.claim("jti", json!(jti)).sign(gateway.key())
    };
    let open =
        |jti: &str| Stream::open(&subscribing(&gateway, &[TOPIC], &[]).bearer(&token(jti)), gateway.place());
    let revoke = |jti: &str| {
        gateway.internal().ask("POST", "/admin/revoke", &[], &json!({ "jti": jti }).to_string()).json()
    };
    let (mut moved, mut revoked) = (open("first"), open("other"));
    assert_eq!(answer_to(&gateway, "/renew", &token("second"), r#"{"jti":"first"}"#).status, 200);
    assert_eq!(revoke("other")["closed"], 1);
    assert_eq!(revoked.next(), Got::Comment("revoked".to_owned()));
    assert_eq!(revoke("first")["closed"], 0);
    publish(&gateway, &[("topic", TOPIC), ("data", "still there")]);
    assert_eq!(data(&mut moved), "still there");
    assert_eq!(revoke("second")["closed"], 1);
    assert_eq!(moved.next(), Got::Comment("revoked".to_owned()));
    let back = subscribing(&gateway, &[TOPIC], &[]).bearer(&token("second"));
    expect_refusal(&gateway, &back, refused(401, "token_revoked"));
}
