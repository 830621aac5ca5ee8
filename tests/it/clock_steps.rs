//! Owns the story of a wall clock that is set while sessions are there, by libfaketime.
//! Never knows how the gateway notices.

use crate::support::{Gateway, Setup, Token, Ws, unix_now};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where Debian has it.
fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    paths.find(|path| path.exists())
}

const CLOCK: &str = "clock";

/// Sets the gateway's wall clock to so many seconds from ours, and waits until it says so.
fn set(gateway: &mut Gateway, offset: i64) {
    gateway.setup.put(CLOCK, format!("{offset:+}\n"), 0o644);
    gateway.wait_until("the clock", |gateway| {
        let then = unix_now() + offset;
        let token = Token::of("asker").claim("iat", json!(then - 60)).claim("nbf", json!(then - 60));
        let token = token.claim("exp", json!(then + 60)).sign(gateway.key());
        gateway.ask(&gateway.handshake().bearer(&token)).status == 101
    });
}

fn good_until(gateway: &Gateway, subject: &str, exp: i64) -> (String, Ws) {
    let token = Token::of(subject).claim("exp", json!(exp)).sign(gateway.key());
    let ws = gateway.open(&gateway.handshake().bearer(&token));
    (token, ws)
}

#[test]
fn a_clock_that_is_set_ends_the_sessions_whose_tokens_ran_out_and_neither_kills_nor_revives_another() {
    let Some(library) = libfaketime() else {
        eprintln!("not tested: libfaketime is not installed");
        return;
    };
    let setup = Setup::new().toml("auth.leeway = '0s'").file(CLOCK, "+0\n", 0o644);
    let clock = setup.dir.path().join(CLOCK);
    let mut gateway = setup
        .env("LD_PRELOAD", library.to_str().expect("a path"))
        .env("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("a path"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1")
        .start();
    let now = unix_now();
    let (_, mut short) = good_until(&gateway, "short", now + 1_800);
    let (_, mut long) = good_until(&gateway, "long", now + 3 * 3_600);

    set(&mut gateway, -3_600);
    short.settle();
    long.settle();

    set(&mut gateway, 3_600);
    short.expect_close(3000, "authority_expired");
    long.settle();
    // By the clock as it is now she has seconds left.
    let (_, mut last) = good_until(&gateway, "last", unix_now() + 3_600 + 8);

    set(&mut gateway, 0);
    // Longer than that, and than any look at the clock.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        last.settle();
        long.settle();
        std::thread::park_timeout(Duration::from_millis(100));
    }
    gateway.wait_metric("portcullis_sessions", &[], 2.0);
    let expired = gateway.log.count(|line| line["reason"] == "authority_expired");
    assert_eq!(expired, 1, "the one that had run out");
}
