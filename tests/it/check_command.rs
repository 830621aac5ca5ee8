//! Owns the stories of `portcullis check`: every finding at once, with its place and its remedy.
//! Never knows a running gateway.

use crate::support::gateway::run;
use crate::support::setup::Setup;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The exit status and everything that was told.
fn check(config: &Path, more: &[&str]) -> (Option<i32>, String) {
    let config = config.to_str().expect("a path");
    let output = run(&[&["check", "--config", config], more].concat());
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).expect("UTF-8"))
}

/// Where a text first stands in the file, from 1.
fn line_of(config: &Path, text: &str) -> usize {
    let content = std::fs::read_to_string(config).expect("a file");
    content.lines().position(|line| line.contains(text)).expect("the text") + 1
}

fn place(config: &Path, text: &str) -> String {
    format!("{}:{}:", config.file_name().expect("a name").to_string_lossy(), line_of(config, text))
}

#[test]
fn a_good_configuration_has_no_finding() {
    // The tests' defaults are loose: a strict configuration has the program's own.
    let setup = Setup::new().without("limits").toml(
        "limits.connections = 100\nauth.credentials = ['header', 'subprotocol']\n\
         origins.allow = ['https://app.example.test']",
    );
    let (status, told) = check(&setup.write(), &["--strict"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(!told.contains("warning") && !told.contains("error"), "{told}");
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_what_was_meant() {
    let setup = Setup::new().toml(
        "server.wrokers = 1\nserver.drain_timeout = '30 bananas'\nlimits.message_bytes = -1\n\
         limits.conections = 5\nauth.leeway = 5",
    );
    let config = setup.write();
    let (status, told) = check(&config, &[]);
    assert_eq!(status, Some(1), "{told}");
    for fault in ["wrokers", "30 bananas", "message_bytes", "conections", "leeway"] {
        assert!(told.contains(&place(&config, fault)), "{fault}: {told}");
    }
    for meant in ["workers", "connections"] {
        assert!(told.contains(&format!("did you mean `{meant}`")), "{meant}: {told}");
    }
}

#[test]
fn a_key_that_is_there_twice_is_an_error_with_its_place() {
    let setup = Setup::new().raw("[server]\nlisten = ['127.0.0.1:1']\n");
    let (status, told) = check(&setup.write(), &[]);
    assert_ne!(status, Some(0), "{told}");
    assert!(told.contains("portcullis.toml:"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_exit_status_2() {
    let setup = Setup::new();
    let (status, told) = check(&setup.dir.path().join("nothing.toml"), &[]);
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("nothing.toml"), "{told}");
}

#[test]
fn every_loosening_is_a_warning_and_an_error_with_strict() {
    for loosening in [
        "tls.min_version = '1.2'",
        "origins.missing = 'allow'",
        "auth.max_token_lifetime = '48h'",
        "auth.leeway = '60s'",
        "server.sandbox = 'off'",
    ] {
        let setup = Setup::new().toml(loosening);
        let config = setup.write();
        let (status, told) = check(&config, &[]);
        assert_eq!(status, Some(0), "{loosening}: {told}");
        assert!(told.contains("warning"), "{loosening}: {told}");
        let key = loosening.split([' ', '.']).nth(1).expect("a key");
        assert!(told.contains(&place(&config, key)), "{loosening}: {told}");
        assert_eq!(check(&config, &["--strict"]).0, Some(1), "{loosening}");
    }
}

#[test]
fn a_signing_key_where_the_gateway_serves_is_a_warning() {
    let setup = Setup::new();
    setup.put("jwt-private.pem", &setup.keys[0].private_pem, 0o600);
    let setup = setup.toml("auth.signing_key = 'jwt-private.pem'");
    let (status, told) = check(&setup.write(), &[]);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("signing_key"), "{told}");
}

#[test]
fn files_that_are_missing_broken_or_readable_by_others_are_errors() {
    type Fault<'a> = (&'a str, &'a dyn Fn(&Setup));
    let faults: [Fault<'_>; 5] = [
        ("server.pem", &|setup| std::fs::remove_file(setup.dir.path().join("server.pem")).expect("removed")),
        ("server.pem", &|setup| setup.put("server.pem", "not a certificate", 0o644)),
        ("server.key", &|setup| setup.put("server.key", "not a key", 0o600)),
        ("server.key", &|setup| {
            let path = setup.dir.path().join("server.key");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        }),
        ("jwt-test-es256.pem", &|setup| setup.put("jwt-test-es256.pem", "", 0o644)),
    ];
    for (file, break_it) in faults {
        let setup = Setup::new();
        break_it(&setup);
        let (status, told) = check(&setup.write(), &[]);
        assert_eq!(status, Some(1), "{file}: {told}");
        assert!(told.contains(file), "{file}: {told}");
    }
}

#[test]
fn a_key_that_is_too_weak_or_of_another_kind_is_an_error() {
    let key = |algorithm: &str, file: &str, place: &str| {
        format!(
            "[[auth.issuer]]\nissuer = 'https://id.example.test'\naudience = 'chat'\nalgorithms = ['{algorithm}']\n\
             key = [{{ {place} = '{file}', kid = 'k', algorithm = '{algorithm}' }}]"
        )
    };
    let setup = Setup::new().file("short.secret", [b's'; 31], 0o600).toml(&key(
        "HS256",
        "short.secret",
        "secret_file",
    ));
    assert_eq!(check(&setup.write(), &[]).0, Some(1), "31 octets of secret (RFC 7518 section 3.2)");
    let setup = Setup::new().file("short.secret", [b's'; 32], 0o600).toml(&key(
        "HS256",
        "short.secret",
        "secret_file",
    ));
    assert_eq!(check(&setup.write(), &[]).0, Some(0), "32 octets");
    let setup = Setup::new().file("line.secret", [&[b's'; 31][..], b"\n"].concat(), 0o600);
    let setup = setup.toml(&key("HS256", "line.secret", "secret_file"));
    assert_eq!(check(&setup.write(), &[]).0, Some(1), "the trailing newline does not count");
    let setup = Setup::new().toml(&key("ES384", "jwt-test-es256.pem", "file"));
    assert_eq!(check(&setup.write(), &[]).0, Some(1), "a P-256 key for ES384");
    let setup = Setup::new().toml(&key("RS256", "jwt-test-es256.pem", "file"));
    assert_eq!(check(&setup.write(), &[]).0, Some(1), "an EC key for RS256");
    let setup = Setup::new().toml(&key("none", "jwt-test-es256.pem", "file"));
    assert_eq!(check(&setup.write(), &[]).0, Some(1), "none cannot be written");
}

#[test]
fn serve_with_a_bad_configuration_is_exit_status_2_and_tells_the_findings() {
    let setup = Setup::new().toml("server.wrokers = 1");
    let config = setup.write();
    let output = run(&["serve", "--config", config.to_str().expect("a path")]);
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&place(&config, "wrokers")), "{told}");
}

#[test]
fn bad_usage_is_exit_status_2() {
    for arguments in [
        &["nonsense"][..],
        &["check", "--nonsense"],
        &["serve", "--log-level", "loud"],
        &["check", "--config"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}
