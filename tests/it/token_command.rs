//! Owns the stories of `portcullis token`: what it prints is admitted.
//! Never knows other tokens.

use crate::support::gateway::run;
use crate::support::{Alg, Gateway, Setup};

fn mint(gateway: &Gateway, more: &[&str]) -> String {
    let config = gateway.dir().join("portcullis.toml");
    let output = run(&[&["token", "--config", config.to_str().expect("a path")], more].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let token = printed.strip_suffix('\n').expect("one line").to_owned();
    assert!(
        !token.contains(char::is_whitespace) && token.split('.').count() == 3,
        "the token alone: {printed:?}"
    );
    token
}

fn gateway(alg: Alg) -> Gateway {
    let setup = Setup::with_keys(&[alg]);
    let key = &setup.keys[0];
    if alg == Alg::Hs256 {
        // One newline at the end, as an editor leaves it, does not count.
        setup.put("jwt-private.pem", [&*key.secret, b"\n"].concat(), 0o600);
    } else {
        setup.put("jwt-private.pem", &key.private_pem, 0o600);
    }
    setup.toml("auth.signing_key = 'jwt-private.pem'").start()
}

#[test]
fn a_token_is_admitted_to_the_rooms_that_it_names() {
    for alg in [Alg::Es256, Alg::EdDsa, Alg::Hs256] {
        let gateway = gateway(alg);
        let token = mint(
            &gateway,
            &["--sub", "carol", "--subscribe", "lobby", "--subscribe", "team-*", "--publish", "lobby"],
        );
        for (room, status) in [("lobby", 101), ("team-1", 101), ("kitchen", 403)] {
            assert_eq!(gateway.ask(&gateway.handshake_for(room, &token)).status, status, "{alg:?} {room}");
        }
        let mut carol = gateway.open(&gateway.handshake_for("team-1", &token));
        carol.text("not into this one");
        carol.expect_violation(3003, "publish_not_granted");
    }
}

#[test]
fn a_token_ends_at_its_ttl() {
    let gateway = gateway(Alg::Es256);
    let token = mint(&gateway, &["--sub", "carol", "--subscribe", "*", "--ttl", "1s"]);
    let mut carol = gateway.open(&gateway.handshake_for("lobby", &token));
    carol.expect_close(3000, "authority_expired");
}

#[test]
fn without_a_signing_key_there_is_no_token() {
    let gateway = Gateway::start();
    let config = gateway.dir().join("portcullis.toml");
    let output = run(&["token", "--config", config.to_str().expect("a path"), "--sub", "carol"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("signing_key"));
}

#[test]
fn a_signing_key_that_no_issuer_knows_or_that_is_too_short_is_told() {
    let gateway = gateway(Alg::Hs256);
    let config = gateway.dir().join("portcullis.toml");
    for (content, told) in
        [("s".repeat(48), "belongs to no key"), ("s".repeat(31), "secret of 32 octets or more")]
    {
        gateway.setup.put("jwt-private.pem", content, 0o600);
        let output = run(&["token", "--config", config.to_str().expect("a path"), "--sub", "carol"]);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(told) && !text.contains("sss"), "{text}");
    }
}
