//! Owns when the certificates of a listener and the lists of what is revoked run out, and their series in the
//! Prometheus text format.
//! Never knows a clock: who reads the series has one.

use crate::ledger::escaped;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Seconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiry {
    /// Of the certificate that is shown for a name; "" is who asks for none, or for one that is in none.
    certificates: BTreeMap<Box<str>, u64>,
    /// Of the list that runs out first.
    lists: Option<u64>,
}

impl Expiry {
    /// `default`: of the certificate that is shown first.
    pub(super) fn new(default: u64, lists: Option<u64>) -> Expiry {
        Expiry { certificates: BTreeMap::from([("".into(), default)]), lists }
    }

    /// Notes a certificate for its names, but for those that one before it has.
    pub(super) fn add(&mut self, names: &[Box<str>], not_after: u64) {
        for name in names {
            self.certificates.entry(name.clone()).or_insert(not_after);
        }
    }

    pub(super) fn render(&self, page: &mut String) {
        // Writing into a string cannot fail.
        let _ = writeln!(
            page,
            "# HELP {CERTIFICATES} When the certificate for a server name runs out, in seconds since 1970; \"\" is no name.\n\
             # TYPE {CERTIFICATES} gauge"
        );
        for (name, not_after) in &self.certificates {
            let _ = writeln!(page, "{CERTIFICATES}{{server_name=\"{}\"}} {not_after}", escaped(name));
        }
        if let Some(next_update) = self.lists {
            let _ = writeln!(
                page,
                "# HELP {LISTS} When the first of the revocation lists runs out, in seconds since 1970.\n\
                 # TYPE {LISTS} gauge\n{LISTS} {next_update}"
            );
        }
    }
}

const CERTIFICATES: &str = "portcullis_certificate_not_after_seconds";
const LISTS: &str = "portcullis_client_crl_next_update_seconds";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_series_of_the_first_certificate_that_has_it_and_cannot_end_its_label() {
        let mut expiry = Expiry::new(7, None);
        expiry.add(&["a.example".into()], 7);
        expiry.add(&["a.example".into(), "*.b.example".into(), "c\"} 1\n".into()], 8);
        let mut page = String::new();
        expiry.render(&mut page);
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        let sample = |name: &str, seconds: u64| format!("{CERTIFICATES}{{server_name=\"{name}\"}} {seconds}");
        let expected =
            [sample("", 7), sample("*.b.example", 8), sample("a.example", 7), sample("c\\\"} 1\\n", 8)];
        assert_eq!(samples, expected);
    }
}
