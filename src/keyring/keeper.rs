//! Owns the keys that were fetched, and puts them in force.
//! Never knows how they come, nor whose session stands on one.

use super::fetch::{FetchFault, Fetched, fetch};
use super::schedule::{Due, Schedule};
use super::source::KeySource;
use crate::auth::Key;
use crate::gate::Gate;
use crate::ledger::Level;
use crate::net::{Shared, Whom};
use crate::rejection::Rejection;
use http::header::HeaderValue;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep_until;

/// Keeps the keys of every issuer that publishes them. To be used on one thread, within a runtime.
pub struct Keeper {
    shared: Arc<Shared>,
    kept: RefCell<Vec<Rc<Kept>>>,
    tasks: RefCell<Vec<Task>>,
}

/// The key sources of a new configuration, with the keys of those that are new.
pub struct Prepared(Vec<(KeySource, Option<State>)>);

/// One issuer's keys.
struct Kept {
    source: KeySource,
    state: RefCell<State>,
}

#[derive(Clone)]
struct State {
    keys: Vec<Key>,
    etag: Option<HeaderValue>,
    schedule: Schedule,
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keeper {
    /// Begins to fetch. Until keys have come, the tokens of their issuer are refused.
    #[must_use]
    pub fn start(sources: Vec<KeySource>, shared: &Arc<Shared>) -> Keeper {
        let keeper =
            Keeper { shared: Arc::clone(shared), kept: RefCell::default(), tasks: RefCell::default() };
        keeper.keep(sources.into_iter().map(|source| {
            let state = State::new(&source);
            Kept { source, state: RefCell::new(state) }
        }));
        keeper
    }

    /// Fetches the keys of the sources that are not kept yet, so that a new configuration comes into
    /// force with them.
    ///
    /// # Errors
    ///
    /// One of them gives no keys, in words for the operator.
    pub async fn prepare(&self, sources: Vec<KeySource>) -> Result<Prepared, String> {
        let asked: Vec<_> = sources
            .into_iter()
            .map(|source| {
                let is_new = self.find(&source).is_none();
                spawn_local(async move {
                    let fetched = if is_new { Some(fetch(&source, None).await) } else { None };
                    (source, fetched)
                })
            })
            .collect();
        let mut prepared = Vec::new();
        for answer in asked {
            let Ok((source, fetched)) = answer.await else {
                return Err("keys could not be fetched: the gateway is going away".to_owned());
            };
            let state = match fetched {
                None | Some(Ok(Fetched::Unchanged)) => None,
                Some(Ok(Fetched::Set { keys, etag })) => {
                    let mut state = State::new(&source);
                    state.schedule.succeed(Instant::now(), jitter());
                    Some(State { keys, etag, ..state })
                }
                Some(Err(fault)) => return Err(format!("the keys of {}: {fault}", shown(&source))),
            };
            prepared.push((source, state));
        }
        Ok(Prepared(prepared))
    }

    /// Takes the sources of a configuration that comes into force, and gives its gate the keys that
    /// are held. The gate is to be put in force before anybody else runs.
    #[must_use]
    pub fn adopt(&self, prepared: Prepared, mut gate: Gate) -> Gate {
        let news: Vec<Box<str>> = prepared
            .0
            .iter()
            .filter(|(_, new)| new.is_some())
            .map(|(source, _)| source.issuer.clone())
            .collect();
        let kept = prepared.0.into_iter().map(|(source, new)| {
            let state = match (new, self.find(&source)) {
                (Some(new), _) => new,
                (None, Some(old)) => {
                    let state = old.state.borrow().clone();
                    let schedule = state.schedule.with_times(source.refresh, source.max_age);
                    State { schedule, ..state }
                }
                (None, None) => State::new(&source),
            };
            gate = gate.with_keys(&source.issuer, &state.keys);
            Kept { source, state: RefCell::new(state) }
        });
        let kept: Vec<Kept> = kept.collect();
        self.keep(kept);
        news.iter().for_each(|issuer| self.shared.ledger.keys().fetched(issuer, "fetched"));
        gate
    }

    fn find(&self, source: &KeySource) -> Option<Rc<Kept>> {
        self.kept.borrow().iter().find(|kept| kept.source.is_same_as(source)).cloned()
    }

    /// Tends to these and to no others from now on.
    fn keep(&self, kept: impl IntoIterator<Item = Kept>) {
        let kept: Vec<Rc<Kept>> = kept.into_iter().map(Rc::new).collect();
        let board = self.shared.ledger.keys();
        board.name(kept.iter().map(|kept| &*kept.source.issuer));
        for kept in &kept {
            kept.show(&self.shared);
        }
        let tend = |kept: &Rc<Kept>| Task(spawn_local(tend(Rc::clone(kept), Arc::clone(&self.shared))));
        *self.tasks.borrow_mut() = kept.iter().map(tend).collect();
        *self.kept.borrow_mut() = kept;
    }
}

impl State {
    fn new(source: &KeySource) -> State {
        let schedule = Schedule::new(source.refresh, source.max_age, Instant::now());
        State { keys: Vec::new(), etag: None, schedule }
    }
}

/// Does for one issuer what is due, for ever.
async fn tend(kept: Rc<Kept>, shared: Arc<Shared>) {
    loop {
        let (due, is_wanted) = {
            let schedule = &kept.state.borrow().schedule;
            (schedule.due(Instant::now()), schedule.is_wanted())
        };
        match due {
            Due::Fetch => kept.refresh(&shared).await,
            Due::Expire => kept.expire(&shared).await,
            // One wish waits already: a flood of them does not keep us busy.
            Due::Wait(until) if is_wanted => sleep_until(until.into()).await,
            Due::Wait(until) => tokio::select! {
                () = sleep_until(until.into()) => {}
                () = kept.source.wanted.heard() => kept.state.borrow_mut().schedule.want(),
            },
        }
    }
}

impl Kept {
    async fn refresh(&self, shared: &Shared) {
        let etag = {
            let mut state = self.state.borrow_mut();
            state.schedule.begin(Instant::now());
            state.etag.clone()
        };
        let fetched = fetch(&self.source, etag.as_ref()).await;
        let now = Instant::now();
        let board = shared.ledger.keys();
        match fetched {
            Ok(Fetched::Unchanged) => {
                board.fetched(&self.source.issuer, "unchanged");
                self.recovered(shared);
                self.state.borrow_mut().schedule.succeed(now, jitter());
            }
            Ok(Fetched::Set { keys, etag }) => {
                board.fetched(&self.source.issuer, "fetched");
                self.recovered(shared);
                let changed = {
                    let mut state = self.state.borrow_mut();
                    state.schedule.succeed(now, jitter());
                    state.etag = etag;
                    !are_same(&state.keys, &keys)
                };
                if changed {
                    self.put_in_force(keys, shared).await;
                }
            }
            Err(fault) => {
                board.fetched(&self.source.issuer, fault.name());
                self.state.borrow_mut().schedule.fail(now, jitter());
                self.tell_failure(&fault, now, shared);
            }
        }
        self.show(shared);
    }

    /// Swaps the keys, then ends the sessions that stood on one that is gone.
    async fn put_in_force(&self, keys: Vec<Key>, shared: &Shared) {
        let issuer = &self.source.issuer;
        let rules = shared.rules.load().with_keys(issuer, &keys);
        shared.rules.store(Arc::new(rules));
        let count = keys.len();
        self.state.borrow_mut().keys = keys;
        self.show(shared);
        let closed = shared.close(&Whom::NoLongerAdmitted, Rejection::NoLongerAdmitted).await;
        let detail = format!("{}: keys in force: {count}; sessions closed: {closed}", shown(&self.source));
        shared.ledger.tell(Level::Info, "keys_changed", &detail);
    }

    /// Drops keys that nobody has confirmed for too long, and the sessions that stood on them.
    async fn expire(&self, shared: &Shared) {
        {
            let mut state = self.state.borrow_mut();
            state.schedule.expire();
            (state.keys, state.etag) = (Vec::new(), None);
        }
        let rules = shared.rules.load().with_keys(&self.source.issuer, &[]);
        shared.rules.store(Arc::new(rules));
        self.show(shared);
        let closed = shared.close(&Whom::NoLongerAdmitted, Rejection::NoLongerAdmitted).await;
        let (source, age) = (shown(&self.source), self.source.max_age.as_secs());
        let detail = format!(
            "{source}: its keys could not be fetched for {age} s (jwks_max_age) and are dropped; its tokens are \
             refused until they can be; sessions closed: {closed}"
        );
        shared.ledger.tell(Level::Error, "keys_expired", &detail);
    }

    fn tell_failure(&self, fault: &FetchFault, now: Instant, shared: &Shared) {
        let (level, meanwhile) = match self.state.borrow().schedule.confirmed() {
            Some(confirmed) => {
                let age = now.saturating_duration_since(confirmed).as_secs();
                let limit = self.source.max_age.as_secs();
                (Level::Warn, format!("the keys of {age} s ago stay in force, up to {limit} s"))
            }
            None => (Level::Error, "there are no keys, and its tokens are refused".to_owned()),
        };
        let detail = format!("{}: {fault}; {meanwhile}", shown(&self.source));
        shared.ledger.tell(level, "keys_not_fetched", &detail);
    }

    fn recovered(&self, shared: &Shared) {
        if self.state.borrow().schedule.has_failed() {
            let detail = format!("{}: its keys are fetched again", shown(&self.source));
            shared.ledger.tell(Level::Info, "keys_fetched_again", &detail);
        }
    }

    fn show(&self, shared: &Shared) {
        let state = self.state.borrow();
        let confirmed = state.schedule.confirmed();
        shared.ledger.keys().hold(&self.source.issuer, state.keys.len(), confirmed);
    }
}

/// Whose keys, and where from.
fn shown(source: &KeySource) -> String {
    format!("issuer {}, keys at {}", source.issuer, source.endpoint)
}

/// Whether both sets are alike, in whatever order.
fn are_same(one: &[Key], other: &[Key]) -> bool {
    one.len() == other.len() && one.iter().all(|key| other.iter().any(|same| same.is_same_as(key)))
}

/// Any number. Where there is no chance, the interval is merely shorter.
fn jitter() -> u8 {
    let mut octet = [0];
    let _ = aws_lc_rs::rand::fill(&mut octet);
    octet[0]
}
