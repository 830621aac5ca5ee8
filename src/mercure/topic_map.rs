//! Owns which topics are which rooms.
//! Never knows an update or a member.

use crate::room::RoomName;

/// `topic` and `room` of a route: a topic with one `{room}`, and the room that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMap {
    topic: Affixes,
    room: Affixes,
}

/// What stands around `{room}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Affixes {
    before: Box<str>,
    after: Box<str>,
}

impl Affixes {
    fn parse(template: &str) -> Option<Affixes> {
        let (before, after) = template.split_once("{room}")?;
        let plain = !before.contains(['{', '}']) && !after.contains(['{', '}']);
        plain.then(|| Affixes { before: before.into(), after: after.into() })
    }

    fn within<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.strip_prefix(&*self.before)?.strip_suffix(&*self.after)
    }

    fn around(&self, text: &str) -> String {
        format!("{}{text}{}", self.before, self.after)
    }
}

/// Which of the two templates does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapFault {
    /// The topic has no single `{room}`.
    Topic,
    /// The room has none, or could not be a room.
    Room,
}

impl TopicMap {
    /// Takes the two templates.
    ///
    /// # Errors
    /// The one that does not do.
    pub fn new(topic: &str, room: &str) -> Result<TopicMap, MapFault> {
        let topic = Affixes::parse(topic).ok_or(MapFault::Topic)?;
        let room = Affixes::parse(room).ok_or(MapFault::Room)?;
        let map = TopicMap { topic, room };
        RoomName::parse(&map.room.around("r")).map(|_| map).ok_or(MapFault::Room)
    }

    /// The room that a topic is.
    #[must_use]
    pub fn room(&self, topic: &str) -> Option<RoomName> {
        let named = RoomName::parse(self.topic.within(topic)?)?;
        RoomName::parse(&self.room.around(named.as_str()))
    }

    /// The topic that a room is.
    #[must_use]
    pub fn topic(&self, room: &RoomName) -> Option<String> {
        let named = RoomName::parse(self.room.within(room.as_str())?)?;
        Some(self.topic.around(named.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).expect(name)
    }

    #[test]
    fn a_topic_is_a_room_and_a_room_its_topic() {
        let map = TopicMap::new("https://example.com/rooms/{room}/chat", "m.{room}").expect("a map");
        assert_eq!(map.room("https://example.com/rooms/lobby/chat"), Some(room("m.lobby")));
        assert_eq!(map.topic(&room("m.lobby")).as_deref(), Some("https://example.com/rooms/lobby/chat"));
        for topic in [
            "https://example.com/rooms/lobby",
            "https://example.com/rooms//chat",
            "https://example.com/rooms/a/b/chat",
            "https://example.com/rooms/a%2Fb/chat",
            "https://example.com/rooms/{room}/chat",
            "*",
        ] {
            assert_eq!(map.room(topic), None, "{topic}");
        }
        for name in ["lobby", "m.", "mlobby"] {
            assert_eq!(map.topic(&room(name)), None, "{name}");
        }
        let too_long = format!("https://example.com/rooms/{}/chat", "r".repeat(127));
        assert_eq!(map.room(&too_long), None);
    }

    #[test]
    fn templates_have_one_room_and_nothing_else() {
        assert_eq!(TopicMap::new("https://example.com/x", "{room}"), Err(MapFault::Topic));
        assert_eq!(TopicMap::new("https://example.com/{room}/{x}", "{room}"), Err(MapFault::Topic));
        assert_eq!(TopicMap::new("https://example.com/{room}", "x"), Err(MapFault::Room));
        assert_eq!(TopicMap::new("https://example.com/{room}", "a/{room}"), Err(MapFault::Room));
    }
}
