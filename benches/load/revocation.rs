//! Owns how long it takes from the word that ends sessions to the close frame at each of their peers.
//! Never knows TLS or frames.

use crate::Fault;
use crate::entrance::{Entrance, KeyExchange};
use crate::peer::Peer;
use crate::report::{Figures, float};
use crate::server::{Key, Server};
use hdrhistogram::Histogram;
use rustix::process::{Resource, getrlimit};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Sessions to end: those of one subject, those of subjects with one each, those of one key.
pub(crate) struct Revocation {
    /// Of all sessions; 48 of 100 are those of one subject.
    sessions: u32,
}

/// The sessions that one word, or several, should end.
#[derive(Default)]
struct Group {
    sessions: Cell<u32>,
    closed: Rc<RefCell<Vec<Closed>>>,
}

/// One session that ended.
struct Closed {
    /// The place of the word that should end it.
    word: u32,
    at: Instant,
    code: Option<u16>,
}

impl Revocation {
    /// As many as were asked for, or as the limit of open files admits.
    pub(crate) fn of(asked: u32) -> Revocation {
        let limit = getrlimit(Resource::Nofile).maximum.and_then(|files| u32::try_from(files).ok());
        let most = limit.map_or(asked, |files| files.saturating_sub(FILES_BESIDES));
        if most < asked {
            eprintln!("load: {most} sessions instead of {asked}: the limit of open files admits no more");
        }
        Revocation { sessions: asked.min(most) }
    }

    pub(crate) fn name(&self) -> String {
        format!("revocation, {} sessions", self.sessions)
    }

    pub(crate) async fn make(&self, server: &Server) -> Result<Figures, Fault> {
        let crowd = self.sessions * 48 / 100;
        let singles = (self.sessions / 100).clamp(1, SINGLES_MAX);
        let others = self.sessions.saturating_sub(crowd + singles);

        let of_subject = Group::default();
        of_subject.enter(server, Key::First, "crowd", 0, crowd).await?;
        let of_singles = Group::default();
        for single in 0..singles {
            of_singles.enter(server, Key::First, &format!("single-{single}"), single, 1).await?;
        }
        let of_key = Group::default();
        for subject in 0..KEY_SUBJECTS {
            let share = (others + subject) / KEY_SUBJECTS;
            of_key.enter(server, Key::Second, &format!("other-{subject}"), 0, share).await?;
        }

        let mut figures = Figures::default();
        figures.put("sessions", f64::from(self.sessions));
        let said = Instant::now();
        server.ask("/admin/revoke", r#"{"subject": "crowd"}"#).await?;
        let names = ["crowd_p50_us", "crowd_p99_us", "crowd_max_us"];
        let mut lost = of_subject.told(&[said], names, &mut figures).await?;
        let mut said = Vec::new();
        for single in 0..singles {
            said.push(Instant::now());
            server.ask("/admin/revoke", &format!(r#"{{"subject": "single-{single}"}}"#)).await?;
        }
        let names = ["single_p50_us", "single_p99_us", "single_max_us"];
        lost += of_singles.told(&said, names, &mut figures).await?;
        server.withdraw_second_key()?;
        let said = Instant::now();
        server.ask("/admin/reload", "").await?;
        lost += of_key.told(&[said], ["key_p50_us", "key_p99_us", "key_max_us"], &mut figures).await?;
        figures.lost("lost", lost);
        Ok(figures)
    }
}

impl Group {
    /// `word`: the place of that which will end these.
    async fn enter(
        &self,
        server: &Server,
        key: Key,
        subject: &str,
        word: u32,
        count: u32,
    ) -> Result<(), Fault> {
        let entrance = Entrance::with_token(server, KeyExchange::X25519, &server.token_for(key, subject)?)?;
        for peer in entrance.enter_many(count).await? {
            tokio::task::spawn_local(stay(peer, word, Rc::clone(&self.closed)));
        }
        self.sessions.set(self.sessions.get() + count);
        Ok(())
    }

    /// Waits for all of them, and tells how long it took since the word. How many did not end as they should.
    async fn told(
        &self,
        said: &[Instant],
        names: [&'static str; 3],
        figures: &mut Figures,
    ) -> Result<u64, Fault> {
        let patience = Instant::now() + PATIENCE;
        let sessions = usize::try_from(self.sessions.get())?;
        while self.closed.borrow().len() < sessions && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut took = Histogram::<u64>::new_with_bounds(1_000, 60_000_000_000, 3)?;
        for Closed { word, at, code } in &*self.closed.borrow() {
            let said = said.get(usize::try_from(*word)?);
            // One that ended before the word, or in another way, is as lost as one that did not end.
            if let (Some(said), Some(CODE)) = (said, code)
                && at >= said
            {
                took.saturating_record(u64::try_from((*at - *said).as_nanos())?);
            }
        }
        let ended = [took.value_at_quantile(0.5), took.value_at_quantile(0.99), took.max()];
        for (name, nanoseconds) in names.into_iter().zip(ended) {
            figures.put(name, float(nanoseconds) / 1e3);
        }
        Ok(u64::from(self.sessions.get()).saturating_sub(took.len()))
    }
}

/// Until the server closes.
async fn stay(mut peer: Peer, word: u32, closed: Rc<RefCell<Vec<Closed>>>) {
    while peer.receive(|_| {}).await.is_ok() {}
    closed.borrow_mut().push(Closed { word, at: Instant::now(), code: peer.close_code() });
}

/// Of `revoked` and of `no_longer_admitted`.
const CODE: u16 = 3003;
const SINGLES_MAX: u32 = 50;
const KEY_SUBJECTS: u32 = 4;
/// Those of either side that are no session.
const FILES_BESIDES: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(10);
