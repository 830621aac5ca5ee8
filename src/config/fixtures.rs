//! Owns the test of every configuration file that is shipped or kept as an example of a fault.
//! Never knows a rule: what is expected of a file stands in its first lines.
//!
//! A fixture starts with a line for each finding, in the order of the file: `# error 12:9 text`, or
//! `# warning - text` for what has no line. The text must be in the message or the remedy.

use super::*;
use crate::room::RoomName;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SerialNumber, date_time_ymd,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// 2026-11-24.
const NOW: u64 = 1_795_500_000;

/// A folder with every file that fixtures name.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"));
        fs::create_dir(place.0.path().join("certs")).expect("a folder");
        let key = KeyPair::generate().expect("a key");
        place.put("certs/server.key", 0o600, &key.serialize_pem());
        place.put("certs/open.key", 0o644, &key.serialize_pem());
        place.put("certs/server.pem", 0o644, &certificate(&key, &["chat.example.com", "127.0.0.1"], 2040));
        place.put("certs/expired.pem", 0o644, &certificate(&key, &["chat.example.com"], 2026));
        place.put("certs/wildcard.pem", 0o644, &certificate(&key, &["*.example.com"], 2040));
        let (authority, list, old_list) = authority();
        place.put("certs/clients.pem", 0o644, &authority);
        place.put("certs/clients.crl", 0o644, &list);
        place.put("certs/clients-old.crl", 0o644, &old_list);
        place.put("certs/other.key", 0o600, &KeyPair::generate().expect("a key").serialize_pem());
        let signing = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        place.put("jwt-private.pem", 0o600, &signing.serialize_pem());
        place.put("certs/jwt-private.pem", 0o600, &signing.serialize_pem());
        place.put("certs/jwt-public.pem", 0o644, &signing.public_key_pem());
        let edwards = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        place.put("certs/jwt-ed25519.pem", 0o644, &edwards.public_key_pem());
        place.put("certs/hs256.secret", 0o600, "0123456789abcdef0123456789abcdef\n");
        place.put("certs/short.secret", 0o600, "0123456789abcdef\n");
        place.put("certs/open.secret", 0o640, "0123456789abcdef0123456789abcdef\n");
        place.put("certs/jwks.json", 0o644, &jwks(&signing));
        place.put("certs/empty.json", 0o644, "{\"keys\":[]}");
        place.put("internal.token", 0o600, "0123456789abcdef0123456789abcdef\n");
        place.put("short.token", 0o600, "0123\n");
        place.put("webhook.secret", 0o600, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        place
    }

    /// Writes a configuration; where it is.
    pub(crate) fn config(&self, text: &str) -> PathBuf {
        self.put("portcullis.toml", 0o644, text);
        self.0.path().join("portcullis.toml")
    }

    fn put(&self, name: &str, mode: u32, content: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
    }

    fn load(&self, config: &str) -> Result<Loaded, Failure> {
        load_in(&self.config(config), &surroundings())
    }

    fn signing(&self, config: &str) -> Result<Signing, Failure> {
        signing_in(&self.config(config), &surroundings())
    }
}

fn surroundings() -> Surroundings {
    let cores = NonZeroUsize::new(3).expect("a number");
    Surroundings { now: NOW, credentials: None, cores, files_max: Some(1_000_000) }
}

fn certificate(key: &KeyPair, names: &[&str], last_year: i32) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("parameters");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 11, 1);
    params.self_signed(key).expect("a certificate").pem()
}

/// Who certifies peers, a list of what it has revoked, and one that has run out.
fn authority() -> (String, String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("an authority").pem();
    let issuer = Issuer::new(params, key);
    let list = |last_year: i32| {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(last_year, 11, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&issuer).expect("a list").pem().expect("PEM")
    };
    (certificate, list(2040), list(2026))
}

/// A JWKS with the key's public half (RFC 7517, RFC 7518 section 6.2.1).
fn jwks(key: &KeyPair) -> String {
    use base64::Engine;
    let (_, point) = key.public_key_raw().split_at(1);
    let (x, y) = point.split_at(32);
    let encode = |octets: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets);
    let (x, y) = (encode(x), encode(y));
    format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","kid":"1","alg":"ES256","use":"sig"}}]}}"#
    )
}

fn findings_of(result: Result<Loaded, Failure>) -> Findings {
    match result {
        Ok(loaded) => loaded.warnings,
        Err(Failure::Faults(findings)) => findings,
        Err(Failure::Unreadable { why, .. }) => panic!("cannot be read: {why}"),
    }
}

/// Severity, place, and a part of the text.
type Expected<'a> = (Severity, Option<(usize, usize)>, &'a str);

/// The lines at the top of a fixture.
fn expected(fixture: &str) -> Vec<Expected<'_>> {
    let lines = fixture.lines().map_while(|line| line.strip_prefix("# "));
    lines
        .filter_map(|line| {
            let (severity, rest) = line.split_once(' ')?;
            let (place, text) = rest.split_once(' ')?;
            let severity = match severity {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                _ => return None,
            };
            let place = place
                .split_once(':')
                .map(|(line, column)| (line.parse().expect("a line"), column.parse().expect("a column")));
            Some((severity, place, text))
        })
        .collect()
}

fn fixtures(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut fixtures: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("text")))
        .collect();
    fixtures.sort();
    assert!(!fixtures.is_empty());
    fixtures
}

/// Compares what is said of a file with what its first lines expect.
fn judge(name: &str, fixture: &str, findings: &Findings) -> Result<(), String> {
    let expected = expected(fixture);
    let text = findings.render(false);
    let same = findings.iter().count() == expected.len()
        && findings.iter().zip(&expected).all(|(finding, (severity, place, text))| {
            let said = format!("{}\n{}", finding.message(), finding.help().unwrap_or(""));
            finding.severity() == *severity && finding.place() == *place && said.contains(text)
        });
    let found: Vec<_> =
        findings.iter().map(|found| (found.severity(), found.place(), found.message())).collect();
    if same { Ok(()) } else { Err(format!("{name}\nexpected {expected:#?}\nfound {found:#?}\n{text}")) }
}

#[test]
fn every_bad_fixture_gets_exactly_its_findings() {
    let place = Place::new();
    let mut wrong = Vec::new();
    for (name, fixture) in fixtures("tests/fixtures/config/bad") {
        let result = place.load(&fixture);
        assert!(result.is_err(), "{name} was taken");
        let findings = findings_of(result);
        wrong.extend(judge(&name, &fixture, &findings).err());
        let rendered = findings.render(false);
        for secret in ["hunter2", "MHcCAQEEIDummy", "c2lnbmF0dXJl"] {
            assert!(!rendered.contains(secret), "{name} shows {secret}:\n{rendered}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_fixture_is_taken_with_exactly_its_warnings() {
    let place = Place::new();
    let mut wrong = Vec::new();
    for (name, fixture) in fixtures("tests/fixtures/config/good") {
        let result = place.load(&fixture);
        if let Err(Failure::Faults(findings)) = &result {
            wrong.push(format!("{name} was refused\n{}", findings.render(false)));
        }
        wrong.extend(judge(&name, &fixture, &findings_of(result)).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The shipped examples name files by the paths of an installation.
fn installed(example: &str) -> String {
    let mut text = example.replace("/etc/portcullis/jwt-public.pem", "certs/jwt-public.pem");
    for (installed, here) in [
        ("/etc/portcullis/server.pem", "certs/server.pem"),
        ("/run/credentials/portcullis.service/server.key", "certs/server.key"),
    ] {
        text = text.replace(installed, here);
    }
    text
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    fs::read_to_string(path).expect("the file")
}

#[test]
fn the_shipped_examples_are_taken_without_a_word() {
    for name in
        ["portcullis.production.toml", "portcullis.reference.toml", "../deploy/symfony/portcullis.toml"]
    {
        let findings = findings_of(Place::new().load(&installed(&shipped(name))));
        assert!(findings.is_empty(), "{name}\n{}", findings.render(false));
    }
}

#[test]
fn the_reference_has_the_defaults_and_nothing_else() {
    let whole = Place::new().load(&shipped("portcullis.reference.toml")).expect("the reference");
    let least =
        Place::new().load(include_str!("../../tests/fixtures/config/good/least.toml")).expect("the least");
    assert_eq!(format!("{:?}", whole.server), format!("{:?}", least.server));
    assert_eq!(format!("{:?}", whole.limits), format!("{:?}", least.limits));
    let sessions =
        |loaded: &Loaded| format!("{:?}", loaded.gate.routes.iter().map(|r| &r.session).collect::<Vec<_>>());
    assert_eq!(sessions(&whole), sessions(&least));
}

#[test]
fn the_reference_names_every_key_that_is_known() {
    let reference = shipped("portcullis.reference.toml");
    // A file with a key that nobody knows in each table makes each table list the keys it knows.
    let probe: String = reference.lines().map(|line| line.to_owned() + "\n").collect();
    let mut asking = String::from("zzzzzzzzzzzzzzzz = 1\n");
    for line in probe.lines() {
        asking.push_str(line);
        asking.push('\n');
        if line.starts_with('[') {
            asking.push_str("zzzzzzzzzzzzzzzz = 1\n");
        }
    }
    let findings = findings_of(Place::new().load(&asking));
    let mut known = Vec::new();
    for help in findings.iter().filter_map(Finding::help).filter(|help| help.starts_with("known keys")) {
        let (_, keys) = help.split_once(": ").expect("a list");
        known.extend(keys.split(", ").map(str::to_owned));
    }
    assert!(known.len() > 40, "{known:?}");
    let inline =
        ["secret", "private_key", "public_key", "pem", "upstream", "upstream_timeout", "topic", "anonymous"];
    for key in known.iter().filter(|key| !inline.contains(&key.as_str()) && *key != "publish_origins") {
        let named = reference.contains(&format!("{key} =")) || reference.contains(&format!("{key}]"));
        assert!(named || reference.contains(&format!("{key}.")), "the reference does not name {key}");
    }
}

#[test]
fn defaults_are_the_documented_ones() {
    let loaded =
        Place::new().load(include_str!("../../tests/fixtures/config/good/least.toml")).expect("the least");
    assert_eq!(loaded.server.listen, ["0.0.0.0:8443".parse().expect("an address")]);
    assert_eq!(
        (loaded.server.workers.get(), loaded.server.drain_timeout),
        (3, units::duration("30s").expect("30s"))
    );
    let limits = &loaded.limits;
    let five = units::duration("5s").expect("5s");
    assert_eq!((limits.handshake_timeout, limits.tls_timeout, limits.head_timeout), (five * 2, five, five));
    assert_eq!(
        (limits.head.head_bytes, limits.head.field_lines, limits.head.target_bytes),
        (16384, 64, 8000)
    );
    assert_eq!((limits.connections, limits.connections_per_address), (100_000, 64));
    assert_eq!(limits.handshakes_per_address, units::rate("10/s burst 40").expect("a rate"));
    assert_eq!(limits.failed_credentials_per_address, units::rate("1/s burst 30").expect("a rate"));
    assert!(loaded.internal.is_none() && loaded.warnings.is_empty());
    let route = &loaded.gate.routes[0];
    let session = &route.session;
    assert_eq!(&*route.label, "/chat/{room}");
    assert!(route.credentials.header && route.credentials.subprotocol && route.credentials.cookie.is_none());
    assert_eq!((route.lifetimes.leeway, route.lifetimes.max_token_lifetime.as_secs()), (five, 86_400));
    assert_eq!((session.codec.message_bytes, session.codec.message_fragments), (65_536, 1024));
    assert_eq!(session.codec.message_timeout, five * 2);
    assert_eq!((session.echo, session.text, session.binary), (false, true, true));
    assert_eq!(session.messages, units::rate("50/s burst 100").expect("a rate"));
    assert_eq!(session.pings, units::rate("20/s burst 40").expect("a rate"));
    assert_eq!((session.send_queue_bytes, route.connections_per_subject), (1 << 20, 16));
    assert_eq!((session.ping_interval, session.pong_timeout.as_secs()), (five * 5, 8));
    assert_eq!(session.max_session.as_secs(), 86_400);
    assert!(
        loaded.gate.hosts.serves_name("chat.example.com") && !loaded.gate.hosts.serves_name("example.com")
    );
}

#[test]
fn a_route_overrides_single_keys_and_leaves_the_others() {
    let loaded = Place::new()
        .load(include_str!("../../tests/fixtures/config/good/overrides.toml"))
        .expect("overrides");
    let [first, second] = &loaded.gate.routes[..] else { panic!("two routes") };
    assert_eq!((first.session.codec.message_bytes, second.session.codec.message_bytes), (4096, 512));
    assert_eq!((first.session.codec.message_fragments, second.session.codec.message_fragments), (8, 8));
    assert_eq!((first.connections_per_subject, second.connections_per_subject), (16, 2));
    assert_eq!((first.credentials.subprotocol, second.credentials.subprotocol), (true, false));
    assert_eq!((first.lifetimes.leeway.as_secs(), second.lifetimes.leeway.as_secs()), (2, 0));
    assert_eq!(second.room.as_ref().map(RoomName::as_str), Some("news"));
    assert_eq!((second.session.echo, second.session.text, second.session.binary), (true, true, false));
    assert_eq!(&*second.subprotocols, ["chat.v1".into(), "chat.v2".into()]);
}

#[test]
fn connections_are_lowered_to_the_open_files_with_a_warning() {
    let least = include_str!("../../tests/fixtures/config/good/least.toml");
    for (files_max, connections, warned) in
        [(Some(1_000), 760, true), (Some(10), 1, true), (None, 100_000, false)]
    {
        let place = Place::new();
        let loaded = load_in(&place.config(least), &Surroundings { files_max, ..surroundings() });
        let loaded = loaded.expect("the least");
        assert_eq!(
            (loaded.limits.connections, loaded.warnings.count(Severity::Warning) == 1),
            (connections, warned)
        );
    }
}

#[test]
fn the_group_may_read_a_key_that_systemd_handed_over() {
    let least = include_str!("../../tests/fixtures/config/good/least.toml");
    let place = Place::new();
    let config = place.config(least);
    let key = place.0.path().join("certs/server.key");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).expect("a mode");
    for (credentials, good) in [(None, false), (Some(place.0.path().join("certs")), true)] {
        assert_eq!(load_in(&config, &Surroundings { credentials, ..surroundings() }).is_ok(), good);
    }
}

#[test]
fn a_certificate_warns_for_two_weeks_and_then_fails() {
    let least =
        include_str!("../../tests/fixtures/config/good/least.toml").replace("server.pem", "expired.pem");
    // 2026-11-01, midnight.
    let end = 1_793_491_200;
    for (now, errors, warnings) in
        [(end - 15 * 86_400, 0, 0), (end - 13 * 86_400, 0, 1), (end - 1, 0, 1), (end, 1, 0), (1, 1, 0)]
    {
        let place = Place::new();
        let result = load_in(&place.config(&least), &Surroundings { now, ..surroundings() });
        let findings = findings_of(result);
        let counts = (findings.count(Severity::Error), findings.count(Severity::Warning));
        assert_eq!(counts, (errors, warnings), "{now}\n{}", findings.render(false));
    }
}

#[test]
fn making_tokens_needs_a_signing_key_and_no_other_part() {
    let auth = "auth.signing_key = \"jwt-private.pem\"\n[[auth.issuer]]\nissuer = \"https://id.example.com\"\n\
                audience = \"chat\"\nalgorithms = [\"ES256\"]\nkey = [{ file = \"certs/jwt-public.pem\" }]\n";
    let broken_elsewhere = format!("tls.private_key = \"nowhere\"\n{auth}");
    let signing = Place::new().signing(&broken_elsewhere).expect("what signs");
    assert!(signing.key.expose().starts_with(b"-----BEGIN PRIVATE KEY-----"));
    assert_eq!(signing.lifetimes.max_token_lifetime.as_secs(), 86_400);
    let without = auth.replace("auth.signing_key = \"jwt-private.pem\"\n", "");
    let Err(Failure::Faults(findings)) = Place::new().signing(&without) else { panic!("no key") };
    assert!(findings.render(false).contains("`auth.signing_key` is missing"));
}
