//! Owns what the operator orders of the workers: to end sessions, to list them.
//! Never knows who ordered it.

use super::shared::Shared;
use crate::auth::Identity;
use crate::broadcast::RoomId;
use crate::ledger::RequestId;
use crate::mercure::MercureClaim;
use crate::rejection::Rejection;
use crate::room::RoomName;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Orders that wait for one worker at most; who gives one more waits.
const ORDERS_WAITING_MAX: usize = 16;

/// Whose sessions are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Those that stand on the token with this identifier.
    Token(Box<str>),
    /// Every session of this subject.
    Subject(Box<str>),
    /// Those of which all that is named here is true.
    These {
        /// The session of this connection.
        connection: Option<RequestId>,
        /// Sessions of this subject.
        subject: Option<Box<str>>,
        /// Sessions in this room.
        room: Option<RoomName>,
    },
    /// Those that stand on a token that is revoked by now.
    Revoked,
    /// Those that the rules in force would not admit.
    NoLongerAdmitted,
}

/// One session as the operator sees it.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// The number that its log lines bear.
    pub request_id: String,
    /// The other end of the socket.
    pub peer: String,
    /// What it speaks: `websocket` or `sse`.
    pub transport: &'static str,
    /// The configured path of its route.
    pub route: String,
    /// The room it is in.
    pub room: String,
    /// The origin of its page.
    pub origin: Option<String>,
    /// Who.
    pub subject: String,
    /// The identifier of its token.
    pub jti: Option<String>,
    /// Seconds since its 101.
    pub age_seconds: u64,
    /// Where its backend is, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Octets that wait for its socket.
    pub queued_bytes: usize,
}

/// One member of a room.
#[derive(Debug, Serialize)]
pub struct RoomMember {
    /// The number that its log lines bear.
    #[serde(rename = "connection_id", serialize_with = "shown")]
    pub connection: RequestId,
    /// Who.
    #[serde(serialize_with = "shown")]
    pub subject: Arc<str>,
    /// Whether it may send into the room.
    pub publish: bool,
}

fn shown<S: serde::Serializer>(text: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(text)
}

/// What sessions shall stand on from now on.
pub(super) struct Renewal {
    pub(super) identity: Identity,
    /// What it grants of topics, where the hub takes it; why a subscription ends where that is nothing.
    pub(super) topics: Option<Result<Arc<MercureClaim>, Rejection>>,
}

/// An order to one worker, with where to tell what came of it.
pub(super) enum Order {
    Close { whom: Whom, reason: Rejection, told: oneshot::Sender<usize> },
    List { most: usize, told: oneshot::Sender<Vec<Listed>> },
    Members { room: RoomId, after: Option<RequestId>, most: usize, told: oneshot::Sender<Vec<RoomMember>> },
    Renew { jti: Box<str>, renewal: Arc<Renewal>, told: oneshot::Sender<usize> },
}

/// The worker's end.
#[derive(Debug)]
pub struct Orders(mpsc::Receiver<Order>);

impl Orders {
    /// The next order; `None` once nobody can give one any more.
    pub(super) async fn next(&mut self) -> Option<Order> {
        self.0.recv().await
    }
}

/// The operator's end: one way to each worker.
#[derive(Clone, Debug)]
pub struct OrderDesk(Vec<mpsc::Sender<Order>>);

impl OrderDesk {
    /// A desk and the ends for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> (OrderDesk, Vec<Orders>) {
        let (desk, orders) = (0..workers)
            .map(|_| mpsc::channel(ORDERS_WAITING_MAX))
            .map(|(give, take)| (give, Orders(take)))
            .unzip();
        (OrderDesk(desk), orders)
    }

    async fn ask<T>(&self, mut order: impl FnMut(oneshot::Sender<T>) -> Order) -> Vec<T> {
        let mut answers = Vec::new();
        for worker in &self.0 {
            let (told, answer) = oneshot::channel();
            // A worker that has ended has no sessions.
            if worker.send(order(told)).await.is_ok() {
                answers.push(answer);
            }
        }
        let mut all = Vec::new();
        for answer in answers {
            all.extend(answer.await);
        }
        all
    }
}

impl Shared {
    /// Ends the sessions that are meant, on every worker; how many there were.
    pub async fn close(&self, whom: &Whom, reason: Rejection) -> usize {
        let order = |told| Order::Close { whom: whom.clone(), reason, told };
        self.orders.ask(order).await.into_iter().sum()
    }

    /// Moves the sessions that stand on the token with this identifier, of the same issuer and
    /// subject, to a new one; how many there were.
    pub(super) async fn renew(&self, jti: &str, renewal: Renewal) -> usize {
        let renewal = Arc::new(renewal);
        let order = |told| Order::Renew { jti: jti.into(), renewal: Arc::clone(&renewal), told };
        self.orders.ask(order).await.into_iter().sum()
    }

    /// Lists sessions, at most so many.
    pub async fn list(&self, most: usize) -> Vec<Listed> {
        let all = self.orders.ask(|told| Order::List { most, told }).await;
        all.into_iter().flatten().take(most).collect()
    }

    /// The members of a room whose numbers come after this one, by their numbers; at most so many.
    pub async fn members(&self, room: &RoomName, after: Option<RequestId>, most: usize) -> Vec<RoomMember> {
        let Some(room) = self.hub.room_id(room) else { return Vec::new() };
        let all = self.orders.ask(|told| Order::Members { room, after, most, told }).await;
        let mut members: Vec<RoomMember> = all.into_iter().flatten().collect();
        members.sort_unstable_by_key(|member| member.connection);
        members.truncate(most);
        members
    }
}
