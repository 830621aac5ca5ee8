//! Owns the messages of one session that wait for the backend's word, one after the other.
//! Never knows what becomes of one that was judged.

use crate::authorize::{Authorize, Matter};
use crate::codec::Opcode;
use crate::rejection::Rejection;
use bytes::Bytes;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Messages that wait; the first of them is being judged.
#[derive(Default)]
pub(super) struct Asking {
    waiting: VecDeque<(Opcode, Bytes)>,
    bytes: usize,
    asked: Option<Verdict>,
}

/// A message that was judged.
pub(super) struct JudgedMessage {
    pub(super) opcode: Opcode,
    pub(super) payload: Bytes,
    pub(super) verdict: Result<(), Rejection>,
}

type Verdict = Pin<Box<dyn Future<Output = Result<(), Rejection>>>>;

impl Asking {
    /// Adds a message behind the others.
    pub(super) fn keep(&mut self, opcode: Opcode, payload: &[u8]) {
        self.bytes = self.bytes.saturating_add(payload.len());
        self.waiting.push_back((opcode, Bytes::copy_from_slice(payload)));
    }

    /// Octets that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next message that is judged, and how; `None` once none waits.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        authorize: &Arc<Authorize>,
        matter: impl Fn() -> Matter,
    ) -> Poll<Option<JudgedMessage>> {
        let Some((opcode, payload)) = self.waiting.front() else { return Poll::Ready(None) };
        let asked = self.asked.get_or_insert_with(|| {
            let (authorize, matter, opcode, payload) =
                (Arc::clone(authorize), matter(), *opcode, payload.clone());
            Box::pin(async move { authorize.message(&matter, opcode, &payload).await })
        });
        let verdict = ready!(asked.as_mut().poll(cx));
        self.asked = None;
        let judged = self.waiting.pop_front().map(|(opcode, payload)| {
            self.bytes = self.bytes.saturating_sub(payload.len());
            JudgedMessage { opcode, payload, verdict }
        });
        Poll::Ready(judged)
    }
}
