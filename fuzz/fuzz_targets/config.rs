//! A configuration file beside the files that a good one names: it is used, or every fault is told at
//! its place and no secret is shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::config::{self, Failure, Findings, Severity};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The file that is judged, in a folder of this process's own beside the program.
static FILE: LazyLock<PathBuf> = LazyLock::new(place);

/// Stands in every file in the place of a secret.
const SECRET: &str = "Sw0rdfishSw0rdfishSw0rdfishSw0rdfish";

fuzz_target!(|text: &str| {
    let file = &*FILE;
    fs::write(file, text).expect("a file");
    match config::load(file) {
        Ok(loaded) => {
            assert_eq!(loaded.warnings.count(Severity::Error), 0);
            assert!(!loaded.gate.routes.is_empty() && loaded.gate.verifier.issuers().count() > 0);
            judge_findings(&loaded.warnings, text);
        }
        Err(Failure::Faults(findings)) => {
            assert!(findings.count(Severity::Error) > 0, "refused without a word");
            judge_findings(&findings, text);
        }
        Err(Failure::Unreadable { why, .. }) => panic!("{why}"),
    }
    for failure in [config::signing(file).err(), config::internal(file).err()].into_iter().flatten() {
        let Failure::Faults(findings) = failure else { panic!("{failure:?}") };
        assert!(findings.count(Severity::Error) > 0);
        judge_findings(&findings, text);
    }
});

fn judge_findings(findings: &Findings, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let (summary, rendered) = (findings.summary(), findings.render(false));
    assert!(!summary.contains(char::is_control), "one line for the log: {summary:?}");
    for finding in findings.iter() {
        if let Some((line, column)) = finding.place() {
            let there = lines.get(line - 1).expect("a line of the file");
            assert!(column <= there.chars().count() + 1, "{line}:{column} of {text:?}");
        }
        assert!(!finding.message().is_empty());
        assert!(!finding.message().contains('\n') && !finding.help().unwrap_or("").contains('\n'));
        assert!(rendered.contains(finding.message()) || finding.message().contains(char::is_control));
    }
    // A key that was pasted into the file is shown nowhere, whatever stands around it.
    if text.contains(SECRET) {
        assert!(!summary.contains(SECRET), "{summary}");
        assert!(!rendered.contains(SECRET), "{rendered}");
    }
}

/// A folder with the files that the configurations of `tests/fixtures/config/good` name.
fn place() -> PathBuf {
    let program = std::env::current_exe().expect("a program");
    let folder = program.with_file_name("config-files").join(std::process::id().to_string());
    fs::create_dir_all(folder.join("certs")).expect("a folder");
    let put = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    };
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = CertificateParams::new(vec!["chat.example.com".to_owned()]).expect("parameters");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    put("certs/server.key", &key.serialize_pem());
    put("certs/server.pem", &params.self_signed(&key).expect("a certificate").pem());
    let signing = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    put("certs/jwt-private.pem", &signing.serialize_pem());
    put("certs/jwt-public.pem", &signing.public_key_pem());
    put("certs/hs256.secret", SECRET);
    put("internal.token", SECRET);
    folder.join("portcullis.toml")
}
