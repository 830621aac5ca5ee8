//! Owns the report as SARIF 2.1.0 (OASIS), which code hosts read.
//! Never knows who reads it.

use super::{Report, baseline_told};
use crate::cli::probe::attack::Severity;
use crate::cli::probe::judge::Verdict;
use serde_json::{Value, json};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn written(report: &Report) -> String {
    let rules: Vec<Value> = report
        .outcomes
        .iter()
        .map(|outcome| {
            let attack = outcome.attack;
            json!({
                "id": attack.id,
                "shortDescription": { "text": attack.what },
                "fullDescription": { "text": format!("{} ({}).", attack.meaning, attack.reference) },
                "defaultConfiguration": { "level": level(attack.severity) },
                "properties": { "security-severity": score(attack.severity), "tags": ["security"] },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .outcomes
        .iter()
        .enumerate()
        .map(|(index, outcome)| {
            let attack = outcome.attack;
            let (kind, level, seen) = match &outcome.verdict {
                Verdict::Finding(seen) => ("fail", level(attack.severity), seen),
                Verdict::Withstood(seen) => ("pass", "none", seen),
                Verdict::NotTested(seen) => ("notApplicable", "none", seen),
            };
            json!({
                "ruleId": attack.id,
                "ruleIndex": index,
                "kind": kind,
                "level": level,
                "message": { "text": format!("{}: {seen}", attack.what) },
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": report.target } } }],
            })
        })
        .collect();
    let value = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis probe",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": [{
                    "level": "note",
                    "message": { "text": baseline_told(report.baseline) },
                }],
            }],
            "results": results,
        }],
    });
    format!("{value:#}\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High => "error",
    }
}

/// In the middle of each band of CVSS.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "2.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
    }
}
