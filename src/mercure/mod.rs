//! Owns updates by topic, as the Mercure protocol has them: which update a selector matches, what is
//! kept for those who come back, who gets what, and which topics are rooms.
//! Never knows a socket, a token or HTTP: evidence comes in, the text of events goes out.
//!
//! Source: <https://mercure.rocks/spec>: the protocol of hub 0.x, and of version 1.0 what [`Version`] names.

mod details;
mod history;
mod hub;
mod inbox;
mod publishable;
mod selector;
mod settings;
mod subscription;
mod template;
mod topic_map;
mod update;
mod version;

pub(crate) use details::{DETAIL_TYPE, parse_details};
pub use hub::{FreshId, Subscribed, Told, TopicSubscriber, UpdateHub};
pub use inbox::{Numbered, UpdateInbox};
pub use selector::TopicSelector;
pub use settings::{PublishPort, Settings};
pub(crate) use subscription::EXACT;
pub use subscription::{Subscription, encoded_segment};
pub use topic_map::{MapFault, TopicMap};
pub use update::{Form, MercureClaim, Update};
pub use version::Version;

/// Below this path the topics are the hub's own: nobody else publishes there.
pub const RESERVED_TOPICS: &str = "/.well-known/mercure";
