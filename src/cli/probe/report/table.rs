//! Owns the report for people: what got through first, then the rest, a line each.
//! Never knows a terminal.

use super::{Outcome, Report, baseline_told};
use crate::cli::probe::judge::Verdict;
use std::fmt::Write as _;

pub(super) fn written(report: &Report) -> String {
    let mut text = format!("{}\n{}\n\n", report.target, baseline_told(report.baseline));
    let rank = |outcome: &&Outcome| match outcome.verdict {
        Verdict::Finding(_) => 0,
        Verdict::NotTested(_) => 1,
        Verdict::Withstood(_) => 2,
    };
    let mut outcomes: Vec<&Outcome> = report.outcomes.iter().collect();
    outcomes.sort_by_key(rank);
    for outcome in outcomes {
        let attack = outcome.attack;
        let (word, seen) = match &outcome.verdict {
            Verdict::Finding(seen) => ("FOUND", seen),
            Verdict::NotTested(seen) => ("not tested", seen),
            Verdict::Withstood(seen) => ("withstood", seen),
        };
        // A String takes whatever is written to it.
        let _ = writeln!(
            text,
            "{word:<10}  {:<6}  {:<26}  {}: {seen}",
            attack.severity.name(),
            attack.id,
            attack.what
        );
        if matches!(outcome.verdict, Verdict::Finding(_)) {
            let _ = writeln!(text, "{:<12}{} ({})", "", attack.meaning, attack.reference);
        }
    }
    let sums = report.sums();
    let plural = if sums.findings == 1 { "" } else { "s" };
    let _ = writeln!(
        text,
        "\n{} finding{plural}, {} withstood, {} not tested",
        sums.findings, sums.withstood, sums.not_tested
    );
    text
}
