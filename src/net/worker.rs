//! Owns one core: its runtime, its listening sockets, its turn of the broadcast, its clock.
//! Never knows the meaning of a message.

mod asking;
mod held;
mod lag;
mod obey;
mod pace;
mod relayed;
mod sessions;
mod told;
mod topics;
#[cfg(test)]
pub(crate) mod trial;
mod wall;

use super::clock::unix_now;
use super::link::Scratch;
use super::listener::{Accepted, accept};
use super::opening::{Entered, open};
use super::orders::Orders;
use super::queued;
use super::shared::Shared;
use crate::broadcast::Delivery;
use crate::ledger::Level;
use lag::Lag;
use sessions::Sessions;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::MissedTickBehavior;
use wall::Wall;

/// How often deadlines are looked at: fine enough for every promise of a second.
const TICK: Duration = Duration::from_millis(100);

/// Runs a worker until the gateway stops.
pub fn run(
    worker: usize,
    shared: Arc<Shared>,
    listeners: Vec<std::net::TcpListener>,
    mut orders: Orders,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let ended = runtime.block_on(async {
        let sessions = Rc::new(RefCell::new(Sessions::new(worker, Arc::clone(&shared))));
        let scratch = Rc::new(RefCell::new(Scratch::new()));
        for listener in listeners {
            let listener = TcpListener::from_std(listener)?;
            let (shared, sessions, scratch) =
                (Arc::clone(&shared), Rc::clone(&sessions), Rc::clone(&scratch));
            tokio::task::spawn_local(async move {
                let take = |accepted: Accepted| {
                    let life = live(accepted, Arc::clone(&shared), Rc::clone(&sessions), Rc::clone(&scratch));
                    tokio::task::spawn_local(life);
                };
                accept(worker, listener, &shared, take).await;
            });
        }
        tokio::task::spawn_local(broadcast(worker, Arc::clone(&shared), Rc::clone(&sessions)));
        tokio::task::spawn_local(updates(worker, Arc::clone(&shared), Rc::clone(&sessions)));
        let obeying = Rc::clone(&sessions);
        tokio::task::spawn_local(async move {
            while let Some(order) = orders.next().await {
                obeying.borrow_mut().obey(order, Instant::now());
            }
        });
        tick(worker, &shared, &sessions).await;
        Ok(())
    });
    // Connections that are still there at the end of a drain are dropped with the runtime.
    drop(runtime);
    ended
}

/// One connection from accept to close.
async fn live(
    accepted: Accepted,
    shared: Arc<Shared>,
    sessions: Rc<RefCell<Sessions>>,
    scratch: Rc<RefCell<Scratch>>,
) {
    // The opening is boxed and gone before the session begins: an idle session does not
    // carry the room that a handshake needs.
    let entered: Option<Entered> = Box::pin(open(accepted, &shared, &scratch)).await;
    drop(scratch);
    drop(shared);
    let key = match entered {
        Some(Entered::Room(opened)) => sessions.borrow_mut().adopt(*opened, Instant::now()),
        Some(Entered::Topics(opened)) => {
            Some(sessions.borrow_mut().adopt_subscriber(*opened, Instant::now()))
        }
        None => None,
    };
    let Some(key) = key else { return };
    poll_fn(|cx| {
        let mut sessions = sessions.borrow_mut();
        // A fault of ours in one session ends that one (close code 1011), not the worker.
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            trial::panic_if_asked(key);
            sessions.poll(key, cx)
        }));
        match polled {
            Ok(poll) => poll,
            Err(_) => {
                // What fails again goes without a word, but it goes.
                let _ = std::panic::catch_unwind(AssertUnwindSafe(|| sessions.fail(key)));
                Poll::Ready(())
            }
        }
    })
    .await;
    sessions.borrow_mut().remove(key);
}

/// Takes what the rooms delivered and writes it to the members, once each turn. It runs
/// behind all that is ready, so that messages that came together leave together.
async fn broadcast(worker: usize, shared: Arc<Shared>, sessions: Rc<RefCell<Sessions>>) {
    let Some(inbox) = shared.hub.inbox(worker) else { return };
    let mut empty: Vec<Delivery> = Vec::new();
    loop {
        inbox.arrived().await;
        let mut deliveries = inbox.take(std::mem::take(&mut empty));
        let flushed = std::panic::catch_unwind(AssertUnwindSafe(|| {
            sessions.borrow_mut().deliver(&deliveries, Instant::now());
        }));
        if flushed.is_err() {
            shared.ledger.panicked("broadcast");
        }
        deliveries.clear();
        deliveries.shrink_to(DELIVERIES_KEPT);
        empty = deliveries;
    }
}

/// Takes the updates that were published and writes them to those who subscribe.
async fn updates(worker: usize, shared: Arc<Shared>, sessions: Rc<RefCell<Sessions>>) {
    let Some(inbox) = shared.updates.inbox(worker) else { return };
    loop {
        inbox.arrived().await;
        let updates = inbox.take();
        let delivered = std::panic::catch_unwind(AssertUnwindSafe(|| {
            sessions.borrow_mut().deliver_updates(&updates, Instant::now());
        }));
        if delivered.is_err() {
            shared.ledger.panicked("updates");
        }
    }
}

/// An inbox that was longer than this is not kept so long.
const DELIVERIES_KEPT: usize = 1024;

/// Looks at deadlines, and closes sessions while the gateway drains, until it stops.
async fn tick(worker: usize, shared: &Shared, sessions: &RefCell<Sessions>) {
    let mut lag = Lag::new(Instant::now(), TICK);
    let mut wall = Wall::new(Instant::now(), unix_now());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let counters = shared.ledger.worker(worker);
        counters.set_lag(lag.after_turn(Instant::now()));
        counters.set_queued_bytes(queued::on_this_thread());
        if shared.is_stopped() {
            return;
        }
        let ticked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let mut sessions = sessions.borrow_mut();
            let now = Instant::now();
            if wall.was_set(now, unix_now()) {
                sessions.judge_expiry_anew(now);
            }
            sessions.look_at_deadlines(now);
            if let Some(drain) = shared.drain.get() {
                sessions.drain(drain, now);
            }
        }));
        if ticked.is_err() {
            shared.ledger.tell(Level::Error, "tick_failed", "deadlines are looked at again at the next tick");
            shared.ledger.panicked("tick");
        }
    }
}
