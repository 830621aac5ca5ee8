//! Owns the stories of several certificates: which one is shown for which name, and that they turn together.
//! Never knows what a certificate holds.

use crate::support::pki::Leaf;
use crate::support::{Conn, Gateway, OTHER_HOST, Setup, unix_now};
use std::time::Duration;

const ONE: &str = "one.wild.example.test";
const EXACT: &str = "exact.wild.example.test";

/// A default certificate for localhost, one for `*.wild.example.test`, one for a name of those alone.
struct Several {
    gateway: Gateway,
    wildcard: Leaf,
    exact: Leaf,
}

fn several() -> Several {
    let setup = Setup::new();
    let leaf = |name: &str| setup.ca.server(&[name.to_owned()]);
    let (wildcard, exact) = (leaf("*.wild.example.test"), leaf(EXACT));
    for (name, leaf) in [("wildcard", &wildcard), ("exact", &exact)] {
        setup.put(&format!("{name}.pem"), &leaf.certificate, 0o644);
        setup.put(&format!("{name}.key"), &leaf.private_key, 0o600);
    }
    let toml = format!(
        "server.hosts = ['localhost', '127.0.0.1', '{OTHER_HOST}', '{ONE}', '{EXACT}']
        [[tls.certificates]]
        certificate = 'wildcard.pem'
        private_key = 'wildcard.key'
        [[tls.certificates]]
        certificate = 'exact.pem'
        private_key = 'exact.key'"
    );
    Several { gateway: setup.toml(&toml).start(), wildcard, exact }
}

/// When it ends, in seconds since 1970, as the gateway tells it.
fn not_after(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.metrics();
    let told: Vec<f64> = metrics
        .samples()
        .iter()
        .filter(|sample| sample.name == "portcullis_certificate_not_after_seconds")
        .filter(|sample| sample.labels.get("server_name").is_some_and(|label| label == name))
        .map(|sample| sample.value)
        .collect();
    assert_eq!(told.len(), 1, "one series for {name:?}");
    Duration::from_secs_f64(told[0]).as_secs()
}

#[test]
fn the_end_of_each_certificate_is_told_by_server_name_and_turns_with_it() {
    let Several { gateway, .. } = several();
    let lasting = |names: &[&str], lasts| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        gateway.setup.ca.server_for(&names, lasts)
    };
    let put = |file: &str, leaf: &Leaf| {
        gateway.setup.put(&format!("{file}.pem"), &leaf.certificate, 0o644);
        gateway.setup.put(&format!("{file}.key"), &leaf.private_key, 0o600);
    };
    let (default, short) = (not_after(&gateway, ""), time::Duration::days(40));
    put("exact", &lasting(&[EXACT], short));
    put("wildcard", &lasting(&["*.wild.example.test", EXACT], short * 2));
    let reload = gateway.internal().ask("POST", "/admin/reload", &[], "");
    assert_eq!(reload.status, 200, "{reload:?}");
    let now = u64::try_from(unix_now()).expect("after 1970");
    for (name, days) in [("*.wild.example.test", 80), (EXACT, 80)] {
        let left = not_after(&gateway, name) - now;
        assert!((left..left + 600).contains(&(days * 86_400)), "{name}: {left}");
    }
    assert_eq!((not_after(&gateway, ""), not_after(&gateway, "localhost")), (default, default));
}

/// The certificate that who asks for this name is shown; the client verifies it.
fn shown(gateway: &Gateway, name: &str) -> Vec<u8> {
    let conn = Conn::try_open(gateway.place(), name, &gateway.place().tls).expect("a handshake");
    conn.server_certificate().to_vec()
}

#[test]
fn the_certificate_is_chosen_by_the_server_name_and_an_exact_name_comes_before_a_wildcard() {
    let Several { gateway, wildcard, exact } = several();
    let default = shown(&gateway, "localhost");
    assert_eq!(shown(&gateway, ONE), wildcard.serial);
    assert_eq!(shown(&gateway, &ONE.to_uppercase()), wildcard.serial);
    assert_eq!(shown(&gateway, EXACT), exact.serial);
    assert_eq!(shown(&gateway, OTHER_HOST), default);
    assert_eq!(shown(&gateway, "127.0.0.1"), default, "an address is no server name");
    for name in ["two.wild.example.test", "a.one.wild.example.test", "wild.example.test"] {
        let opened = Conn::try_open(gateway.place(), name, &gateway.place().tls);
        assert!(opened.is_err(), "{name} is not in `hosts`");
    }
    gateway.log.reason("sni_unknown");
}

#[test]
fn several_certificates_turn_together_or_not_at_all_and_no_session_is_dropped() {
    let Several { mut gateway, wildcard, exact } = several();
    let mut old = gateway.join("lobby", "alice");
    let new = gateway.setup.ca.server(&["*.wild.example.test".to_owned()]);
    // Half of a pair: nothing turns, also not what is whole.
    gateway.setup.put("wildcard.pem", &new.certificate, 0o644);
    gateway.sighup();
    gateway.log.event("the failed reload", |line| line["event"] == "reload_failed");
    assert_eq!(shown(&gateway, ONE), wildcard.serial);
    gateway.setup.put("wildcard.key", &new.private_key, 0o600);
    gateway.sighup();
    gateway.wait_until("the new certificate", |gateway| shown(gateway, ONE) == new.serial);
    assert_eq!(shown(&gateway, EXACT), exact.serial);
    old.settle();
}

#[test]
fn another_certificate_is_taken_without_a_signal_once_its_files_change() {
    let Several { mut gateway, .. } = several();
    let mut old = gateway.join("lobby", "alice");
    let new = gateway.setup.ca.server(&[EXACT.to_owned()]);
    gateway.setup.put("exact.key", &new.private_key, 0o600);
    gateway.setup.put("exact.pem", &new.certificate, 0o644);
    gateway.wait_until("the new certificate", |gateway| shown(gateway, EXACT) == new.serial);
    old.settle();
}
