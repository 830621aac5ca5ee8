//! Owns `portcullis check`: every finding of a configuration, and what it means for a script.
//! Never knows how a configuration is read.

use crate::config::{self, Failure, Findings, Severity};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// The configuration can be used.
pub const GOOD: u8 = 0;
/// It has errors, or with `--strict` warnings.
pub const FAULTY: u8 = 1;
/// It cannot be read.
pub const UNREADABLE: u8 = 2;

/// Reads a configuration with all files that it names and writes what is to be said of it to `out`,
/// which stands for stdout; the exit status is [`GOOD`], [`FAULTY`] or [`UNREADABLE`].
pub fn run(config: &Path, strict: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    report(config, strict, colours(&io::stdout()), out, err)
}

/// Whether findings may be coloured on a stream (<https://no-color.org>).
pub fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn report(config: &Path, strict: bool, colour: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let (findings, fetches) = match config::load(config) {
        Ok(loaded) => (loaded.warnings, !loaded.key_sources.is_empty()),
        Err(Failure::Faults(findings)) => (findings, false),
        Err(Failure::Unreadable { path, why }) => {
            // Nobody is left to tell when stderr is gone; the status still says it.
            let _ = writeln!(err, "error: {} cannot be read: {why}", path.display());
            return UNREADABLE;
        }
    };
    let status = status(&findings, strict);
    let unasked = if fetches { UNASKED } else { "" };
    let (rendered, summary) = (findings.render(colour), summary(&findings, strict));
    let text = format!("{rendered}{}: {summary}{unasked}\n", config.display());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => status,
        // A reader that left early, such as `head`, changes nothing about the configuration.
        Err(_) => status,
    }
}

/// What was not looked at.
const UNASKED: &str = " (jwks_url: nothing was connected to)";

fn status(findings: &Findings, strict: bool) -> u8 {
    let faulty = findings.count(Severity::Error) > 0 || (strict && !findings.is_empty());
    if faulty { FAULTY } else { GOOD }
}

fn summary(findings: &Findings, strict: bool) -> String {
    let (errors, warnings) = (findings.count(Severity::Error), findings.count(Severity::Warning));
    match (errors, warnings) {
        (0, 0) => "good".to_owned(),
        (0, warnings) if strict => format!("{}, which --strict refuses", counted(warnings, "warning")),
        (0, warnings) => format!("good, {}", counted(warnings, "warning")),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixtures::Place;

    fn checked(config: &Path, strict: bool) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = report(config, strict, false, &mut out, &mut err);
        (status, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
    }

    #[test]
    fn a_file_that_cannot_be_read_is_2_and_told_on_stderr() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = folder.path().join("none.toml");
        let (status, out, err) = checked(&none, false);
        assert_eq!((status, out.as_str()), (UNREADABLE, ""));
        assert!(err.contains("none.toml cannot be read: "), "{err}");
        let binary = folder.path().join("binary.toml");
        std::fs::write(&binary, [0xff, 0xfe]).expect("a file");
        assert_eq!(checked(&binary, false).0, UNREADABLE);
    }

    #[test]
    fn a_good_file_is_0_and_one_with_warnings_only_without_strict() {
        let place = Place::new();
        let good = include_str!("../../tests/fixtures/config/good/least.toml").to_owned();
        let good = good + "[limits]\nconnections = 100\n";
        for (text, strict, expected, last) in [
            (good.clone(), false, GOOD, ": good\n"),
            (good.clone(), true, GOOD, ": good\n"),
            (good.clone() + "pong_timeout = \"9s\"\n", false, GOOD, ": good, 1 warning\n"),
            (good + "pong_timeout = \"9s\"\n", true, FAULTY, ": 1 warning, which --strict refuses\n"),
        ] {
            let (status, out, err) = checked(&place.config(&text), strict);
            assert_eq!((status, err.as_str()), (expected, ""), "{out}");
            assert!(out.ends_with(last), "{out}");
        }
    }

    #[test]
    fn a_file_with_errors_is_1_and_every_one_is_told_on_stdout() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("portcullis.toml");
        std::fs::write(&config, "a = 1 2\n[server\n").expect("a file");
        let (status, out, err) = checked(&config, false);
        assert_eq!((status, err.as_str()), (FAULTY, ""));
        assert!(out.contains("portcullis.toml:1:5") && out.contains("portcullis.toml:2:"), "{out}");
        assert!(out.ends_with("portcullis.toml: 2 errors\n"), "{out}");
        assert!(!out.contains('\u{1b}'));
    }
}
