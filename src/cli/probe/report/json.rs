//! Owns the report as one JSON object.
//! Never knows who reads it.

use super::Report;
use crate::cli::probe::judge::{Baseline, Verdict};
use serde_json::{Value, json};

pub(super) fn written(report: &Report) -> String {
    let attacks: Vec<Value> = report
        .outcomes
        .iter()
        .map(|outcome| {
            let attack = outcome.attack;
            let (verdict, seen) = match &outcome.verdict {
                Verdict::Finding(seen) => ("finding", seen),
                Verdict::Withstood(seen) => ("withstood", seen),
                Verdict::NotTested(seen) => ("not_tested", seen),
            };
            json!({
                "id": attack.id,
                "verdict": verdict,
                "severity": attack.severity.name(),
                "what": attack.what,
                "seen": seen,
                "meaning": attack.meaning,
                "reference": attack.reference,
            })
        })
        .collect();
    let sums = report.sums();
    let honest = match report.baseline {
        Baseline::Admitted => 101,
        Baseline::Refused(status) => status,
    };
    let value = json!({
        "target": report.target,
        "honest_handshake": honest,
        "summary": { "findings": sums.findings, "withstood": sums.withstood, "not_tested": sums.not_tested },
        "attacks": attacks,
    });
    format!("{value:#}\n")
}
