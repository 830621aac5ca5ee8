//! Owns what became of every attack, and its four forms.
//! Never knows how an attack is made.

mod json;
mod junit;
mod sarif;
mod table;

use super::attack::Attack;
use super::judge::{Baseline, Verdict};
use crate::cli::args::ProbeFormat;

/// One attack and what became of it.
pub(super) struct Outcome {
    pub(super) attack: &'static Attack,
    pub(super) verdict: Verdict,
}

/// All of them.
pub(super) struct Report {
    /// The URL without its query.
    pub(super) target: String,
    pub(super) baseline: Baseline,
    pub(super) outcomes: Vec<Outcome>,
}

/// How many of each.
struct Sums {
    findings: usize,
    withstood: usize,
    not_tested: usize,
}

impl Report {
    pub(super) fn written(&self, format: ProbeFormat) -> String {
        match format {
            ProbeFormat::Table => table::written(self),
            ProbeFormat::Json => json::written(self),
            ProbeFormat::Junit => junit::written(self),
            ProbeFormat::Sarif => sarif::written(self),
        }
    }

    /// The attacks that got through, and what was seen.
    pub(super) fn findings(&self) -> impl Iterator<Item = (&'static Attack, &str)> {
        self.outcomes.iter().filter_map(|outcome| match &outcome.verdict {
            Verdict::Finding(seen) => Some((outcome.attack, seen.as_str())),
            Verdict::Withstood(_) | Verdict::NotTested(_) => None,
        })
    }

    fn sums(&self) -> Sums {
        let count = |is: fn(&Verdict) -> bool| self.outcomes.iter().filter(|one| is(&one.verdict)).count();
        Sums {
            findings: count(|verdict| matches!(verdict, Verdict::Finding(_))),
            withstood: count(|verdict| matches!(verdict, Verdict::Withstood(_))),
            not_tested: count(|verdict| matches!(verdict, Verdict::NotTested(_))),
        }
    }
}

/// How the honest handshake fared, in a sentence.
fn baseline_told(baseline: Baseline) -> String {
    match baseline {
        Baseline::Admitted => "The honest handshake is admitted.".to_owned(),
        Baseline::Refused(status) => format!("The honest handshake is refused with {status}."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{frames::FRAMES, handshakes::HANDSHAKES, tokens::TOKENS, transport::TRANSPORT};
    use super::*;
    use std::collections::HashSet;

    /// One of each verdict, with text that every form has to escape.
    fn report() -> Report {
        let verdicts = [
            Verdict::Finding("<a> & \"b\"".to_owned()),
            Verdict::Withstood("refused with 403".to_owned()),
            Verdict::NotTested("there is no token: give --token".to_owned()),
        ];
        let outcomes = HANDSHAKES.iter().zip(verdicts).map(|(attack, verdict)| Outcome { attack, verdict });
        Report {
            target: "wss://a.example/chat".to_owned(),
            baseline: Baseline::Admitted,
            outcomes: outcomes.collect(),
        }
    }

    #[test]
    fn every_attack_has_a_name_of_its_own_and_says_what_it_is() {
        let mut names = HashSet::new();
        for attack in [TRANSPORT, HANDSHAKES, TOKENS, FRAMES].into_iter().flatten() {
            assert!(names.insert(attack.id), "{} is there twice", attack.id);
            assert!(
                attack.id.bytes().all(|octet| octet.is_ascii_lowercase() || b"-0123456789".contains(&octet))
            );
            for text in [attack.what, attack.meaning, attack.reference] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", attack.id);
            }
            assert!(attack.reference.contains("RFC ") || attack.reference.contains("CWE-"), "{}", attack.id);
        }
    }

    #[test]
    fn a_table_is_one_line_an_attack_with_findings_first() {
        let text = report().written(ProbeFormat::Table);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.iter().any(|line| line.starts_with("FOUND") && line.contains("origin-foreign")),
            "{text}"
        );
        assert!(text.contains("1 finding, 1 withstood, 1 not tested"), "{text}");
        assert!(text.contains("give --token"), "{text}");
    }

    #[test]
    fn json_says_the_same_to_machines() {
        let value: serde_json::Value =
            serde_json::from_str(&report().written(ProbeFormat::Json)).expect("JSON");
        assert_eq!(value["summary"], serde_json::json!({ "findings": 1, "withstood": 1, "not_tested": 1 }));
        assert_eq!(value["attacks"][0]["verdict"], "finding");
        assert_eq!(value["attacks"][0]["severity"], "high");
        assert_eq!(value["attacks"][0]["seen"], "<a> & \"b\"");
    }

    #[test]
    fn junit_is_xml_with_its_sums_and_every_text_escaped() {
        let text = report().written(ProbeFormat::Junit);
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites"), "{text}");
        assert!(text.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{text}");
        assert!(text.contains("&lt;a&gt; &amp; &quot;b&quot;") && !text.contains("<a>"), "{text}");
        assert_eq!(text.matches("<testcase ").count(), 3);
    }

    #[test]
    fn sarif_has_a_rule_for_every_attack_and_a_result_for_every_verdict() {
        let value: serde_json::Value =
            serde_json::from_str(&report().written(ProbeFormat::Sarif)).expect("JSON");
        assert_eq!(value["version"], "2.1.0");
        let run = &value["runs"][0];
        let kinds: Vec<&str> = run["results"]
            .as_array()
            .expect("results")
            .iter()
            .filter_map(|result| result["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["fail", "pass", "notApplicable"]);
        assert_eq!(run["results"][0]["level"], "error");
        assert_eq!(run["results"][1]["level"], "none");
        for result in run["results"].as_array().expect("results") {
            let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("an index");
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
    }
}
