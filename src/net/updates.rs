//! Owns how an update is published: to those who subscribe, and to the room that its topic is.
//! Never knows who may publish it.

use super::shared::Shared;
use crate::codec::{self, Opcode};
use crate::gate::Publishing;
use crate::rejection::Rejection;
use crate::room::RoomName;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fmt::Write;

impl Shared {
    /// Publishes the update of a body; its id.
    ///
    /// # Errors
    /// As [`Publishing::form`]; [`Rejection::Congested`].
    pub fn publish_update(&self, publishing: &Publishing, body: &[u8]) -> Result<String, Rejection> {
        let form = publishing.form(body)?;
        if self.updates.is_congested() || self.hub.is_congested() {
            return Err(Rejection::Congested);
        }
        let map = publishing.map();
        let rooms: BTreeSet<RoomName> =
            form.topics().filter_map(|topic| map.and_then(|map| map.room(topic))).collect();
        let mut frame = Vec::new();
        if !rooms.is_empty() {
            codec::encode(Opcode::Text, form.data().as_bytes(), &mut frame);
        }
        let update = form.into_update(|| self.updates.fresh_id());
        let id = update.id().to_owned();
        self.updates.publish(update);
        let frame = Bytes::from(frame);
        for room in rooms {
            self.hub.publish_from_update(&room, &frame);
        }
        Ok(id)
    }
}

/// A UUID of 122 random bits (RFC 9562 section 5.4) as a URN.
pub fn fresh_id() -> String {
    let mut octets = [0_u8; 16];
    // Without random octets the process has no keys either; an id is a name, no secret.
    let _ = aws_lc_rs::rand::fill(&mut octets);
    octets[6] = (octets[6] & 0x0f) | 0x40;
    octets[8] = (octets[8] & 0x3f) | 0x80;
    octets.iter().enumerate().fold("urn:uuid:".to_owned(), |mut id, (place, octet)| {
        if matches!(place, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // Writing into a String cannot fail.
        let _ = write!(id, "{octet:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_id_is_a_uuid_of_version_4_and_another_each_time() {
        let id = fresh_id();
        assert_eq!(id.len(), "urn:uuid:00000000-0000-4000-8000-000000000000".len());
        assert_eq!(id.as_bytes()[9 + 14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[9 + 19]));
        assert_ne!(id, fresh_id());
    }
}
