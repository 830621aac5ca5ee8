//! Owns the reload: everything is read anew and taken whole, or everything stays as it was.
//! Never knows what asked for it, nor what a rule says.

use super::notify::Notifier;
use super::parts;
use crate::config::{self, Loaded, Snapshot, Watch};
use crate::keyring::{Keeper, Prepared};
use crate::ledger::{Change, Reloaded};
use crate::net::{Shared, Whom};
use crate::rejection::Rejection;
use crate::sandbox::Reach;
use std::path::PathBuf;
use std::sync::Arc;

/// Changes that are told one by one at most.
const CHANGES_TOLD_MAX: usize = 256;

/// What a reload needs of a running gateway.
pub(super) struct Reloading<'g> {
    pub(super) shared: &'g Shared,
    pub(super) notifier: &'g Notifier,
    pub(super) keeper: &'g Keeper,
}

/// What is in force, and where to read what shall be.
pub(super) struct Reload {
    path: PathBuf,
    watch: Watch,
    snapshot: Snapshot,
}

impl Reload {
    /// The configuration that the gateway starts with.
    pub(super) fn new(path: PathBuf, watch: Watch, snapshot: Snapshot) -> Reload {
        Reload { path, watch, snapshot }
    }

    /// Whether the certificate or its key has changed since the last look.
    pub(super) fn is_due(&mut self) -> bool {
        self.watch.changed()
    }

    /// Reads the configuration anew and swaps the rules whole, or keeps those that are there.
    pub(super) async fn run(&mut self, gateway: &Reloading<'_>) -> Result<Reloaded, String> {
        // A whole configuration is on its way through it, and whoever waits for signals waits long.
        Box::pin(self.read_anew(gateway)).await
    }

    async fn read_anew(&mut self, gateway: &Reloading<'_>) -> Result<Reloaded, String> {
        let Reloading { shared, notifier, keeper } = gateway;
        notifier.reloading();
        let outcome = match config::load(&self.path) {
            Ok(loaded) if !shared.sandbox.lets_reach(&needed(&loaded, shared)) => {
                Err(format!("everything stays as it was: {OUT_OF_REACH}"))
            }
            Ok(mut loaded) => match keeper.prepare(std::mem::take(&mut loaded.key_sources)).await {
                Ok(prepared) => Ok(self.take(shared, keeper, prepared, loaded).await),
                Err(why) => Err(format!("everything stays as it was: {why}")),
            },
            Err(failure) => Err(why(shared, &failure)),
        };
        shared.ledger.reloaded(outcome.as_ref().map_err(String::as_str));
        notifier.ready();
        outcome
    }

    async fn take(
        &mut self,
        shared: &Shared,
        keeper: &Keeper,
        prepared: Prepared,
        loaded: Loaded,
    ) -> Reloaded {
        self.watch = loaded.watch;
        let mut changes = self.snapshot.changes(&loaded.snapshot);
        self.snapshot = std::mem::take(&mut self.snapshot).reloaded(loaded.snapshot);
        let limits = &loaded.limits;
        shared.handshakes.set_rate(limits.handshakes_per_address);
        shared.throttles.failed_credentials.set_rate(limits.failed_credentials_per_address);
        let gate = keeper.adopt(prepared, loaded.gate);
        let hub = gate.hub_settings();
        let before = shared.rules.load_full();
        let backing = parts::Backing {
            backends: parts::backends(loaded.backends, Some(&before)),
            assertions: loaded.assertions.map_or_else(|| Arc::clone(&before.assertions), Arc::new),
        };
        shared.rules.store(Arc::new(parts::rules(gate, loaded.tls, limits, backing)));
        shared.updates.set(hub);
        if let (Some(events), Some(new)) = (&shared.events, loaded.events) {
            events.set(new.settings);
        }
        let closed = shared.close(&Whom::NoLongerAdmitted, Rejection::NoLongerAdmitted).await;

        let mut needs_restart: Vec<String> =
            changes.iter().filter(|change| change.needs_restart).map(|change| change.key.clone()).collect();
        needs_restart.dedup();
        let detail = in_a_sentence(&changes, &needs_restart, closed);
        let more_changes = changes.len().saturating_sub(CHANGES_TOLD_MAX);
        changes.truncate(CHANGES_TOLD_MAX);
        Reloaded { detail, closed, changes, more_changes, needs_restart }
    }
}

/// Where a running gateway would connect. A hook that it does not have waits for a restart anyway, as a
/// change of the other one does.
fn needed(loaded: &Loaded, shared: &Shared) -> Reach {
    let events = loaded.events.iter().filter(|_| shared.events.is_some());
    let sources = loaded.key_sources.iter().map(|source| &source.endpoint);
    let upstreams = loaded.backends.iter().flat_map(|backend| &backend.upstreams);
    let upstreams = upstreams.map(|upstream| upstream.endpoint());
    Reach::of(events.map(|events| &events.settings.hook.endpoint).chain(sources).chain(upstreams))
}

fn in_a_sentence(changes: &[Change], needs_restart: &[String], closed: usize) -> String {
    let changed = match changes.len() {
        0 => "nothing has changed".to_owned(),
        1 => "1 value has changed".to_owned(),
        several => format!("{several} values have changed"),
    };
    let restart = if needs_restart.is_empty() {
        String::new()
    } else {
        format!("; the old ones stay in force until a restart for {}", needs_restart.join(", "))
    };
    format!(
        "certificates, keys, origins, routes and limits are those of the files now; {changed}; \
         {closed} sessions closed{restart}"
    )
}

fn why(shared: &Shared, failure: &config::Failure) -> String {
    let mut why = format!("everything stays as it was: {}", failure.summary());
    if failure.is_denial() && shared.sandbox.landlock.is_in_force() {
        why.push_str(OUTSIDE);
    }
    why
}

/// Why a file may be denied to a running gateway that a new one may read.
const OUTSIDE: &str = " (in its sandbox the gateway reads only below the folders that were named when it \
                       started: a restart takes others)";

/// Why a running gateway may not connect where a new one may.
const OUT_OF_REACH: &str = "in its sandbox the gateway connects only to the ports that were named when it \
                            started, and finds names only where one was: a restart takes others";
