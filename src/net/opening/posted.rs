//! Owns what is done with the body of a POST, once its sender is known.
//! Never knows who may send.

use super::super::answer;
use super::super::sending;
use super::{Came, Opening, Verdict};
use crate::gate::{Publishing, Reader, Sending};
use crate::rejection::Rejection;
use tokio::time::timeout_at;

impl Opening<'_> {
    /// Takes one message by POST, whose body is read only now that its sender is known. An `Err` is
    /// a body that did not come.
    pub(super) async fn take_message(
        &mut self,
        message: &Sending,
        came: Came,
        reader: Option<&Reader>,
    ) -> Result<Verdict, Rejection> {
        let deadline = self.began + self.shared.rules.load().limits.handshake_timeout;
        let read = timeout_at(deadline.into(), self.read_body(came)).await;
        read.unwrap_or(Err(Rejection::BodyTimeout))?;
        let body = self.plain.get(came.head_bytes..came.end()).unwrap_or_default();
        let strict_transport = self.shared.page.is_none();
        let authorized = sending::authorized(message, body, self.asker(), self.shared).await;
        Ok(match authorized.and_then(|()| sending::send(message, body, self.request, self.shared)) {
            Ok(()) => {
                let response = answer::octets(&answer::readable(answer::no_content(), reader));
                Verdict::Answered { response }
            }
            Err(reason) => {
                let reply = answer::refusal(reason, self.request, strict_transport);
                let response = Some(answer::octets(&answer::readable(reply, reader)));
                Verdict::Refused { refused: Box::new(message.refused(reason)), response }
            }
        })
    }

    /// Takes an update; its body is read only now that its publisher is known.
    pub(super) async fn take_update(
        &mut self,
        publishing: &Publishing,
        came: Came,
        reader: Option<&Reader>,
    ) -> Result<Verdict, Rejection> {
        let deadline = self.began + self.shared.rules.load().limits.handshake_timeout;
        let read = timeout_at(deadline.into(), self.read_body(came)).await;
        read.unwrap_or(Err(Rejection::BodyTimeout))?;
        let body = self.plain.get(came.head_bytes..came.end()).unwrap_or_default();
        let strict_transport = self.shared.page.is_none();
        Ok(match self.shared.publish_update(publishing, body) {
            Ok(id) => {
                let reply = answer::readable(answer::published(&id, strict_transport), reader);
                Verdict::Answered { response: answer::octets(&reply) }
            }
            Err(reason) => {
                let reply = answer::refusal(reason, self.request, strict_transport);
                let response = Some(answer::octets(&answer::readable(reply, reader)));
                Verdict::Refused { refused: Box::new(publishing.refused(reason)), response }
            }
        })
    }

    /// Reads until the body is whole.
    async fn read_body(&mut self, came: Came) -> Result<(), Rejection> {
        let Some(mut tls) = self.tls.take() else { return Err(Rejection::HandshakeFailed) };
        while self.plain.len() < came.end() {
            self.read_more(&mut tls).await?;
        }
        self.tls = Some(tls);
        Ok(())
    }
}
