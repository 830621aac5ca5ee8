//! Owns how a change of the configuration is told: which key, and from what to what.
//! Never knows how a change is found.

use serde::Serialize;
use std::fmt;

/// One key of the configuration that is not as it was. The texts are escaped, and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The dotted path to the key.
    pub key: String,
    /// What it was, or what is no longer in its list; `None` where there was nothing.
    pub old: Option<String>,
    /// What it is, or what is new in its list; `None` where there is nothing any more.
    pub new: Option<String>,
    /// The gateway goes on as before until it is started anew.
    pub needs_restart: bool,
}

/// What a reload that took has done.
#[derive(Clone, Debug, Serialize)]
pub struct Reloaded {
    /// In one sentence.
    pub detail: String,
    /// Sessions that were closed, as the new rules would not admit them.
    pub closed: usize,
    /// What is not as it was. Of very many the first ones.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub more_changes: usize,
    /// The keys among them that take a restart.
    pub needs_restart: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{}: {} -> {}", self.key, shown(&self.old), shown(&self.new))?;
        if self.needs_restart { f.write_str(" (needs a restart)") } else { Ok(()) }
    }
}
