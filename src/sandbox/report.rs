//! Owns what came of the sandbox, in names for programs and words for people.
//! Never knows how it came about.

use super::reach::Reach;

/// How far one kind of restriction reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// All that was asked for, of something that comes in parts.
    Full,
    /// What this kernel can do, and what it cannot.
    Partial(String),
    /// It is in force.
    On,
    /// It is not, and why.
    Off(String),
}

impl State {
    /// As it stands in metrics and answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            State::Full => "full",
            State::Partial(_) => "partial",
            State::On => "on",
            State::Off(_) => "off",
        }
    }

    /// Whether anything at all is restricted.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        !matches!(self, State::Off(_))
    }

    fn why(&self) -> Option<&str> {
        match self {
            State::Full | State::On => None,
            State::Partial(why) | State::Off(why) => Some(why),
        }
    }
}

/// What the process has given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Files by folder, TCP, signals and abstract sockets of others.
    pub landlock: State,
    /// System calls.
    pub seccomp: State,
    /// Core files, and reading the memory from another process.
    pub no_dumps: State,
    /// Where the process may still connect to.
    pub reach: Reach,
}

impl Report {
    /// Of a process that gave up nothing, as the configuration says.
    pub(super) fn off() -> Report {
        let off = || State::Off("server.sandbox is \"off\"".to_owned());
        Report { landlock: off(), seccomp: off(), no_dumps: off(), reach: Reach::default() }
    }

    /// Each kind with its state.
    #[must_use]
    pub fn states(&self) -> [(&'static str, &'static str); 3] {
        self.kinds().map(|(kind, state)| (kind, state.name()))
    }

    /// Whether the process could still connect where these need it to.
    #[must_use]
    pub fn lets_reach(&self, needed: &Reach) -> bool {
        let is_restricted = self.landlock.is_in_force() || self.seccomp.is_in_force();
        !is_restricted || self.reach.covers(needed)
    }

    /// What is missing and why, if anything is.
    #[must_use]
    pub fn shortfall(&self) -> Option<String> {
        let mut reasons: Vec<&str> = self.kinds().iter().filter_map(|(_, state)| state.why()).collect();
        reasons.dedup();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// All of it in one line, for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        let states = self.states().map(|(kind, state)| format!("{kind} {state}")).join(", ");
        match self.shortfall() {
            Some(why) => format!("{states}: {why}"),
            None => states,
        }
    }

    fn kinds(&self) -> [(&'static str, &State); 3] {
        [("landlock", &self.landlock), ("seccomp", &self.seccomp), ("no_dumps", &self.no_dumps)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_is_off_says_once_why() {
        let summary = Report::off().summary();
        assert_eq!(summary, "landlock off, seccomp off, no_dumps off: server.sandbox is \"off\"");
    }

    #[test]
    fn what_is_missing_is_told_and_what_is_there_is_not() {
        let whole = Report {
            landlock: State::Full,
            seccomp: State::On,
            no_dumps: State::On,
            reach: Reach::default(),
        };
        assert_eq!(whole.shortfall(), None);
        assert_eq!(whole.summary(), "landlock full, seccomp on, no_dumps on");
        let part = Report { landlock: State::Partial("no TCP".to_owned()), ..whole };
        assert_eq!(part.summary(), "landlock partial, seccomp on, no_dumps on: no TCP");
    }
}
