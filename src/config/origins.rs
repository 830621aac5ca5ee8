//! Owns `[origins]` and its overrides in a route.
//! Never knows how an origin is compared.

use super::document::{At, Section};
use super::findings::Span;
use crate::gate::OriginPolicy;

/// What `[origins]` says.
#[derive(Clone)]
pub(super) struct OriginFacts {
    allow: Option<At<Vec<At<String>>>>,
    missing_allowed: bool,
    report_only: bool,
}

impl OriginFacts {
    /// Takes `[origins]`, which must be there.
    pub(super) fn read(mut section: Section<'_>) -> OriginFacts {
        if !section.is_present() {
            let help =
                "write `[origins]` and `allow = [\"https://chat.example.com\"]`: the pages that may connect";
            section.notes().error(None, "`[origins]` is missing", help);
        } else if section.place("allow").is_none() {
            section.missing(
                "allow",
                "write `allow = [\"https://chat.example.com\"]`: the pages that may connect",
            );
        }
        let mut facts = OriginFacts { allow: None, missing_allowed: false, report_only: false };
        facts.take(&mut section);
        section.finish();
        facts
    }

    /// What holds in a route that overrides single keys.
    pub(super) fn overridden(&self, mut section: Section<'_>) -> OriginFacts {
        let mut facts = self.clone();
        facts.take(&mut section);
        section.finish();
        facts
    }

    /// The policy; faults of the list have been told when it was taken.
    pub(super) fn policy(&self) -> Option<OriginPolicy> {
        let allow: Vec<String> = self.allow.as_ref()?.value.iter().map(|at| at.value.clone()).collect();
        let policy = OriginPolicy::new(&allow, self.missing_allowed).ok()?;
        Some(policy.reporting(self.report_only))
    }

    /// Where an origin without TLS is allowed.
    pub(super) fn cleartext(&self) -> Option<Span> {
        let allow = self.allow.as_ref()?;
        allow.value.iter().find(|at| at.value.starts_with("http://")).map(|at| at.span.clone())
    }

    fn take(&mut self, section: &mut Section<'_>) {
        if let Some(allow) = section.strings("allow") {
            self.allow = judged(section, allow);
        }
        if let Some(At { value, span }) = section.boolean("report_only") {
            self.report_only = value;
            if value {
                let cost = "the page of any origin may then connect with a token; list the origins that \
                            origin_would_be_refused tells, and take this out";
                section.loosened("report_only", span, "false", cost);
            }
        }
        if let Some(missing) = section.string("missing") {
            match missing.value.as_str() {
                "deny" => self.missing_allowed = false,
                "allow" => {
                    self.missing_allowed = true;
                    let cost =
                        "any program may then connect without an Origin; only its token stands in the way";
                    section.loosened("missing", missing.span, "\"deny\"", cost);
                }
                _ => section.bad(
                    "missing",
                    missing.span,
                    "is neither \"deny\" nor \"allow\"",
                    "write \"deny\"",
                ),
            }
        }
    }
}

fn judged(section: &Section<'_>, allow: At<Vec<At<String>>>) -> Option<At<Vec<At<String>>>> {
    let mut good = true;
    if allow.value.is_empty() {
        let help = "list the pages that may connect, such as \"https://chat.example.com\"";
        section.bad("allow", allow.span.clone(), "is empty, so no page could connect", help);
        return None;
    }
    // One by one, so that a second bad entry is told too.
    for At { value, span } in &allow.value {
        if let Err((_, why)) = OriginPolicy::new(std::slice::from_ref(value), false) {
            section.notes().error(
                Some(span.clone()),
                format!("`{}`: {why}", section.path("allow")),
                ORIGIN_FORM,
            );
            good = false;
        } else if value.contains('*') {
            let cost = "each page under any such name may then connect, also one that a stranger put there; list the names";
            section.notes().warning(Some(span.clone()), "an origin with a wildcard", cost);
        }
        if value.starts_with("http://") {
            let cost = "whoever sits on the way can change a page that came without TLS; serve it by https";
            section.notes().warning(Some(span.clone()), "an origin without TLS", cost);
        }
    }
    let all: Vec<String> = allow.value.iter().map(|at| at.value.clone()).collect();
    if good && let Err((index, why)) = OriginPolicy::new(&all, false) {
        let span = allow.value.get(index).map_or(allow.span.clone(), |at| at.span.clone());
        section.notes().error(Some(span), format!("`{}`: {why}", section.path("allow")), ORIGIN_FORM);
        good = false;
    }
    good.then_some(allow)
}

const ORIGIN_FORM: &str = "an origin is scheme://host or scheme://host:port, in lower case, without a path";
