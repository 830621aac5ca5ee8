//! Owns one question to the backend, and how long and by how many it is awaited.
//! Never knows what becomes of the answer.

use super::answer::{Said, read};
use crate::auth::Narrowing;
use crate::codec::Opcode;
use crate::ledger::{Asked, AskedFor, Ledger, Level, RequestId};
use crate::origin::Origin;
use crate::outbound::OutboundError;
use crate::peer::Peer;
use crate::rejection::Rejection;
use crate::room::RoomName;
use crate::webhook::Hook;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What is asked for, and how; in force until the end of the process.
#[derive(Debug)]
pub struct Settings {
    /// Where to.
    pub hook: Hook,
    /// Whether a connection is asked for.
    pub connect: bool,
    /// Whether entering a room is asked for.
    pub join: bool,
    /// Whether each message is asked for.
    pub message: bool,
    /// The routes it is about; `None`: all.
    pub routes: Option<Vec<Arc<str>>>,
    /// What happens where no answer comes.
    pub on_failure: OnFailure,
    /// Questions at once.
    pub concurrent: usize,
}

/// What happens where no answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused.
    Refuse,
    /// It goes on as if there were no hook.
    Allow,
}

/// The way to ask.
#[derive(Debug)]
pub struct Authorize {
    settings: Settings,
    places: Semaphore,
    ledger: Arc<Ledger>,
}

/// Who wants something, and where.
#[derive(Clone, Debug)]
pub struct Matter {
    /// The number that its log lines bear.
    pub connection: RequestId,
    /// Who; nobody in particular where a hub may be read without a token.
    pub subject: Option<Arc<str>>,
    /// The identifier of its token.
    pub jti: Option<Box<str>>,
    /// The other end of its socket.
    pub peer: Peer,
    /// The page that asks.
    pub origin: Option<Origin>,
    /// The configured path of its route.
    pub route: Arc<str>,
    /// The room; none of a session that has a backend and no room, or subscribes to topics.
    pub room: Option<RoomName>,
    /// The topic selectors of who subscribes to updates.
    pub topics: Option<Box<[Box<str>]>>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    on: &'a [&'static str],
    connection_id: String,
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    route: &'a str,
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<&'a [Box<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl Authorize {
    /// A way with these settings.
    #[must_use]
    pub fn new(settings: Settings, ledger: Arc<Ledger>) -> Arc<Authorize> {
        let places = Semaphore::new(settings.concurrent.max(1));
        Arc::new(Authorize { settings, places, ledger })
    }

    /// Whether a connection by this route, or entering its room, is asked for.
    #[must_use]
    pub fn asks_for_connections(&self, route: &str) -> bool {
        (self.settings.connect || self.settings.join) && self.is_about(route)
    }

    /// Whether each message by this route is asked for.
    #[must_use]
    pub fn asks_for_messages(&self, route: &str) -> bool {
        self.settings.message && self.is_about(route)
    }

    fn is_about(&self, route: &str) -> bool {
        self.settings.routes.as_ref().is_none_or(|routes| routes.iter().any(|known| **known == *route))
    }

    /// Whether this one may have a WebSocket and enter its room, and with how much of its grants.
    ///
    /// # Errors
    ///
    /// [`Rejection::AuthorizeRefused`]; [`Rejection::AuthorizeUnavailable`] where no answer comes.
    pub async fn connection(&self, matter: &Matter) -> Result<Option<Narrowing>, Rejection> {
        let said = self.ask(AskedFor::Connection, matter.body(&self.matters(false), None)).await;
        self.before_the_answer(said)
    }

    /// Whether one message may be sent without a session: all that is asked for, at once.
    ///
    /// # Errors
    ///
    /// As for [`Authorize::connection`].
    pub async fn sending(
        &self,
        matter: &Matter,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<Option<Narrowing>, Rejection> {
        // Who is not asked about messages is not told them.
        let message = self.settings.message.then_some((opcode, payload));
        let said = self.ask(AskedFor::Message, matter.body(&self.matters(true), message)).await;
        self.before_the_answer(said)
    }

    /// The names of what is asked for.
    fn matters(&self, with_message: bool) -> Vec<&'static str> {
        let Settings { connect, join, message, .. } = self.settings;
        let all = [(connect, "connect"), (join, "join"), (message && with_message, "message")];
        all.iter().filter(|(asked, _)| *asked).map(|(_, on)| *on).collect()
    }

    fn before_the_answer(&self, said: Said) -> Result<Option<Narrowing>, Rejection> {
        match said {
            Said::Yes(narrowing) => Ok(narrowing),
            Said::No => Err(Rejection::AuthorizeRefused),
            Said::Nonsense if self.settings.on_failure == OnFailure::Allow => Ok(None),
            Said::Nonsense => Err(Rejection::AuthorizeUnavailable),
        }
    }

    /// Whether a message may be delivered.
    ///
    /// # Errors
    ///
    /// [`Rejection::MessageRefused`]; [`Rejection::MessageNotJudged`] where no answer comes.
    pub async fn message(&self, matter: &Matter, opcode: Opcode, payload: &[u8]) -> Result<(), Rejection> {
        let said = self.ask(AskedFor::Message, matter.body(&["message"], Some((opcode, payload)))).await;
        match said {
            Said::Yes(_) => Ok(()),
            Said::No => Err(Rejection::MessageRefused),
            Said::Nonsense if self.settings.on_failure == OnFailure::Allow => Ok(()),
            Said::Nonsense => Err(Rejection::MessageNotJudged),
        }
    }

    async fn ask(&self, what: AskedFor, body: Bytes) -> Said {
        let mut octets = [0; 16];
        // An identifier is a name: it must only be another one each time.
        let _ = aws_lc_rs::rand::fill(&mut octets);
        let id = format!("req_{:032x}", u128::from_be_bytes(octets));
        let asking = async {
            let _place = self.places.acquire().await.map_err(|_| OutboundError::Timeout)?;
            self.settings.hook.post(&id, body, ANSWER_BYTES_MAX).await
        };
        // Waiting for a place is waiting, too.
        let answered = tokio::time::timeout(self.settings.hook.timeout, asking).await;
        let (said, why) = match answered.unwrap_or(Err(OutboundError::Timeout)) {
            Ok(answer) => match read(&answer) {
                Said::Nonsense => (Said::Nonsense, Some("the answer is none that is understood".to_owned())),
                said @ (Said::Yes(_) | Said::No) => (said, None),
            },
            // As plain as it can be said in HTTP.
            Err(OutboundError::Status(StatusCode::FORBIDDEN)) => (Said::No, None),
            Err(error) => (Said::Nonsense, Some(error.to_string())),
        };
        if let Some(why) = why {
            self.ledger.tell(Level::Warn, "authorize_failed", &why);
        }
        self.ledger.asked(
            what,
            match &said {
                Said::Yes(None) => Asked::Allowed,
                Said::Yes(Some(_)) => Asked::Narrowed,
                Said::No => Asked::Refused,
                Said::Nonsense => Asked::Failed,
            },
        );
        said
    }
}

impl Matter {
    fn body(&self, on: &[&'static str], message: Option<(Opcode, &[u8])>) -> Bytes {
        let (kind, text, binary) = match message {
            None => (None, None, None),
            Some((Opcode::Text, octets)) => (Some("text"), std::str::from_utf8(octets).ok(), None),
            Some((_, octets)) => (Some("binary"), None, Some(STANDARD.encode(octets))),
        };
        let data = Data {
            on,
            connection_id: self.connection.to_string(),
            subject: self.subject.as_deref(),
            jti: self.jti.as_deref(),
            peer: self.peer.to_string(),
            origin: self.origin.as_ref().map(Origin::as_str),
            route: &self.route,
            room: self.room.as_ref().map(RoomName::as_str),
            topics: self.topics.as_deref(),
            kind,
            data: text,
            data_base64: binary,
        };
        let body = Body { r#type: "portcullis.authorize", data };
        // INVARIANT: there is nothing in it that JSON could not tell.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// An answer is short: yes or no, and some patterns.
const ANSWER_BYTES_MAX: usize = 64 << 10;
