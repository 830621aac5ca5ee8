//! Owns the stories of certificates of peers (mutual TLS): who is let in, who is not, and what is logged.
//! Never knows a token beyond a good one.

use crate::support::pki::{Ca, Leaf};
use crate::support::target::Place;
use crate::support::{Conn, Gateway, Setup, gateway, unix_now};
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::SanType;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use std::sync::Arc;
use time::Duration;

pub(crate) const DAY: Duration = Duration::days(1);

/// A gateway that asks for certificates of `clients`, and what it was told about them.
pub(crate) struct Guarded {
    pub(crate) gateway: Gateway,
    pub(crate) clients: Ca,
    pub(crate) good: Leaf,
    pub(crate) revoked: Leaf,
}

/// A gateway with this laid over; the list of `clients.crl` revokes one certificate.
pub(crate) fn guarded(toml: &str) -> Guarded {
    let (setup, clients) = (Setup::new(), Ca::new());
    let (good, revoked) = (clients.client("phone 7", &[], DAY), clients.client("stolen", &[], DAY));
    setup.put("clients.pem", clients.pem(), 0o644);
    setup.put("clients.crl", clients.crl(&[&revoked], DAY), 0o644);
    let toml = format!("tls.client_ca = 'clients.pem'\ntls.client_crl = ['clients.crl']\n{toml}");
    Guarded { gateway: setup.toml(&toml).start(), clients, good, revoked }
}

/// TLS with this certificate, or none.
fn tls(setup: &Setup, version: &'static SupportedProtocolVersion, leaf: Option<&Leaf>) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_root_certificates(setup.ca.roots());
    let config = match leaf {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(leaf.private_key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("a key that fits")
        }
    };
    Arc::new(config)
}

/// The way to the gateway with this certificate, or none.
pub(crate) fn place(gateway: &Gateway, leaf: Option<&Leaf>) -> Place {
    Place { tls: tls(&gateway.setup, &TLS13, leaf), ..gateway.place().clone() }
}

/// Whether a peer gets as far as an answer. In TLS 1.3 it learns only then whether it is let in.
fn is_let_in(gateway: &Gateway, tls: &Arc<ClientConfig>) -> bool {
    let Ok(mut conn) = Conn::try_open(gateway.place(), "localhost", tls) else { return false };
    conn.send(&gateway.handshake().octets());
    conn.try_answer().is_ok_and(|answer| answer.status == 101)
}

/// How many lines give this reason, once there are so many: a metric may be ahead of its line.
fn lines_of(gateway: &Gateway, reason: &str, least: usize) -> usize {
    gateway.log.count_of(reason, least, |line| line["reason"] == reason)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn who_shows_no_certificate_or_not_a_good_one_is_dropped_with_a_line_that_says_why() {
    for version in [&TLS13, &TLS12] {
        let Guarded { gateway, clients, good, revoked } = guarded("tls.min_version = '1.2'");
        let expired = clients.client("late", &[], -DAY);
        let stranger = Ca::new().client("phone 7", &[], DAY);
        let server = clients.server(&["localhost".to_owned()]);
        for (peer, reason, lines) in [
            (None, "client_certificate_missing", 1),
            (Some(&revoked), "client_certificate_revoked", 1),
            (Some(&expired), "client_certificate_invalid", 1),
            (Some(&stranger), "client_certificate_invalid", 2),
            (Some(&server), "client_certificate_invalid", 3),
        ] {
            assert!(!is_let_in(&gateway, &tls(&gateway.setup, version, peer)), "{reason} {lines}");
            gateway.wait_metric("portcullis_refusals_total", &[("reason", reason)], f64::from(lines));
            let lines = usize::try_from(lines).expect("few");
            assert_eq!(lines_of(&gateway, reason, lines), lines, "one line each: {reason}");
            let line = gateway.log.reason(reason);
            assert_eq!(line["event"], "dropped", "{line}");
            assert!(line.get("client_certificate").is_none(), "of nobody who is not known: {line}");
        }
        assert!(is_let_in(&gateway, &tls(&gateway.setup, version, Some(&good))));
    }
}

#[test]
fn every_line_after_the_handshake_names_the_certificate_by_its_first_name_and_its_hash() {
    let Guarded { gateway, clients, good, .. } = guarded("");
    let dns = |name: &str| SanType::DnsName(name.try_into().expect("a name"));
    let uri = |name: &str| SanType::URI(name.try_into().expect("a name"));
    let by_uri = clients.client("c", &[uri("spiffe://example.test/bot"), dns("bot.test")], DAY);
    let by_dns = clients.client("c", &[dns("bot.test"), uri("spiffe://example.test/bot")], DAY);
    let nasty = clients.client("a\n{\"event\":\"admitted\"}\u{202e}", &[], DAY);
    let long = clients.client(&"x".repeat(1000), &[], DAY);
    for (leaf, name) in [
        (&good, "phone 7"),
        (&by_uri, "spiffe://example.test/bot"),
        (&by_dns, "bot.test"),
        (&nasty, "a\\u{a}{\"event\":\"admitted\"}\\u{202e}"),
        (&long, &"x".repeat(256)),
    ] {
        let place = place(&gateway, Some(leaf));
        gateway.handshake().open(&place).leave();
        let _ = gateway.handshake().set("Origin", "https://evil.example").ask(&place);
        let hash = hex(digest(&SHA256, &leaf.serial).as_ref());
        for event in ["admitted", "closed", "refused"] {
            let line = gateway.log.event(event, |line| {
                line["event"] == event && line["client_certificate_sha256"] == hash.as_str()
            });
            assert_eq!(line["client_certificate"], name, "{line}");
            assert!(line.as_object().expect("flat").values().all(|value| !value.is_object()), "{line}");
        }
    }
}

#[test]
fn where_a_certificate_is_optional_none_is_needed_and_a_bad_one_is_still_refused() {
    let Guarded { gateway, good, revoked, .. } = guarded("tls.client_auth = 'optional'");
    assert!(is_let_in(&gateway, &tls(&gateway.setup, &TLS13, None)));
    let line = gateway.log.event("the session", |line| line["event"] == "admitted");
    assert!(line.get("client_certificate_sha256").is_none(), "{line}");
    assert!(is_let_in(&gateway, &tls(&gateway.setup, &TLS13, Some(&good))));
    assert!(!is_let_in(&gateway, &tls(&gateway.setup, &TLS13, Some(&revoked))));
    gateway.log.reason("client_certificate_revoked");
}

#[test]
fn nobody_resumes_where_certificates_are_asked_for_so_a_revoked_one_is_noticed_at_once() {
    for (version, mode) in [(&TLS13, "required"), (&TLS12, "required"), (&TLS13, "optional")] {
        let toml = format!("tls.min_version = '1.2'\ntls.client_auth = '{mode}'");
        let Guarded { mut gateway, clients, good, .. } = guarded(&toml);
        // What a session leaves behind for the next one is kept in here.
        let tls = tls(&gateway.setup, version, Some(&good));
        for _ in 0..2 {
            let mut conn = Conn::try_open(gateway.place(), "localhost", &tls).expect("a handshake");
            conn.send(&gateway.handshake().octets());
            assert_eq!(conn.answer().status, 101);
            assert_eq!(conn.0.conn.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(conn.0.conn.tls13_tickets_received(), 0);
        }
        gateway.setup.put("clients.crl", clients.crl(&[&good], DAY), 0o644);
        gateway.sighup();
        gateway.wait_until("the revocation", |gateway| !is_let_in(gateway, &tls));
        gateway.log.reason("client_certificate_revoked");
    }
}

#[test]
fn a_ticket_of_before_certificates_were_asked_for_lets_nobody_in() {
    let (setup, clients) = (Setup::new(), Ca::new());
    setup.put("clients.pem", clients.pem(), 0o644);
    let mut gateway = setup.start();
    let tls = tls(&gateway.setup, &TLS13, None);
    assert!(is_let_in(&gateway, &tls));
    let text = std::fs::read_to_string(gateway.setup.config()).expect("the configuration");
    let text = text.replace("[tls]\n", "[tls]\nclient_ca = 'clients.pem'\n");
    gateway.setup.put("portcullis.toml", text, 0o644);
    gateway.sighup();
    gateway.wait_until("the reload", |gateway| !is_let_in(gateway, &tls));
    gateway.log.reason("client_certificate_missing");
}

#[test]
fn who_is_on_no_list_because_its_authority_has_none_is_refused() {
    let (setup, clients, other) = (Setup::new(), Ca::new(), Ca::named("Other CA"));
    let (good, unknown) = (clients.client("a", &[], DAY), other.client("b", &[], DAY));
    setup.put("clients.pem", [clients.pem(), other.pem()].concat(), 0o644);
    setup.put("clients.crl", clients.crl(&[], DAY), 0o644);
    let gateway = setup.toml("tls.client_ca = 'clients.pem'\ntls.client_crl = ['clients.crl']").start();
    assert!(is_let_in(&gateway, &tls(&gateway.setup, &TLS13, Some(&good))));
    assert!(!is_let_in(&gateway, &tls(&gateway.setup, &TLS13, Some(&unknown))));
    gateway.log.reason("client_certificate_invalid");
}

#[test]
fn a_list_that_runs_out_within_a_day_is_pointed_out_and_the_metric_says_when_the_first_does() {
    let Guarded { mut gateway, clients, .. } = guarded("");
    let told = |gateway: &Gateway| {
        let config = gateway.setup.config();
        let output = gateway::run(&["check", "--config", config.to_str().expect("a path")]);
        assert_eq!(output.status.code(), Some(0), "a warning is no fault");
        String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8")
    };
    let lists = |lasts| clients.crl(&[], lasts);
    for (lasts, is_pointed_out) in [(DAY * 3, false), (DAY - Duration::minutes(1), true)] {
        // The later one does not hide it.
        gateway.setup.put("clients.crl", lists(DAY * 9) + &lists(lasts), 0o644);
        let told = told(&gateway);
        assert_eq!(told.contains("clients.crl runs out in "), is_pointed_out, "{told}");
        gateway.sighup();
        let ends = u64::try_from(unix_now() + lasts.whole_seconds()).expect("after 1970");
        gateway.wait_until("the new list", |gateway| {
            let next_update = gateway.metric("portcullis_client_crl_next_update_seconds", &[]);
            let next_update = std::time::Duration::from_secs_f64(next_update).as_secs();
            (ends - 600..=ends).contains(&next_update)
        });
    }
    let other = Gateway::start();
    assert!(!other.internal().get("/metrics").text().contains("client_crl"), "none where there is no list");
}

#[test]
fn a_list_that_runs_out_refuses_everybody_until_a_new_one_is_there_and_is_no_list_to_start_with() {
    let (setup, clients) = (Setup::new(), Ca::new());
    let good = clients.client("a", &[], DAY);
    setup.put("clients.pem", clients.pem(), 0o644);
    setup.put("clients.crl", clients.crl(&[], Duration::seconds(8)), 0o644);
    let mut gateway = setup.toml("tls.client_ca = 'clients.pem'\ntls.client_crl = ['clients.crl']").start();
    let tls = tls(&gateway.setup, &TLS13, Some(&good));
    gateway.wait_until("the list has run out", |gateway| !is_let_in(gateway, &tls));
    gateway.log.reason("client_certificate_invalid");
    // Neither a start nor a reload takes it.
    gateway.sighup();
    gateway.log.event("the failed reload", |line| line["event"] == "reload_failed");
    let config = gateway.setup.config();
    let output = gateway::run(&["check", "--config", config.to_str().expect("a path")]);
    assert_ne!(output.status.code(), Some(0));
    let told = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&told).contains("run out"), "{}", String::from_utf8_lossy(&told));
    // A new list is taken without a signal.
    gateway.setup.put("clients.crl", clients.crl(&[], DAY), 0o644);
    gateway.wait_until("the new list", |gateway| is_let_in(gateway, &tls));
}
