//! Owns the report as JUnit XML: an attack is a test case, and what got through a failure.
//! Never knows who reads it.

use super::{Report, baseline_told};
use crate::cli::probe::judge::Verdict;
use std::fmt::Write as _;

pub(super) fn written(report: &Report) -> String {
    let sums = report.sums();
    let counts = format!(
        "name=\"portcullis probe\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"",
        report.outcomes.len(),
        sums.findings,
        sums.not_tested
    );
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite {counts}>\n"
    );
    // A String takes whatever is written to it.
    let _ = writeln!(
        text,
        "    <properties>\n      <property name=\"target\" value=\"{}\"/>\n    </properties>",
        escaped(&report.target)
    );
    for outcome in &report.outcomes {
        let attack = outcome.attack;
        let _ = write!(text, "    <testcase classname=\"portcullis.probe\" name=\"{}\"", attack.id);
        let _ = match &outcome.verdict {
            Verdict::Withstood(_) => writeln!(text, "/>"),
            Verdict::NotTested(why) => {
                writeln!(text, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why))
            }
            Verdict::Finding(seen) => writeln!(
                text,
                ">\n      <failure type=\"{}\" message=\"{}: {}\">{} ({})</failure>\n    </testcase>",
                attack.severity.name(),
                escaped(attack.what),
                escaped(seen),
                escaped(attack.meaning),
                escaped(attack.reference)
            ),
        };
    }
    let _ = writeln!(
        text,
        "    <system-out>{}</system-out>\n  </testsuite>\n</testsuites>",
        baseline_told(report.baseline)
    );
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no other control characters, not even escaped.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
