//! Owns the one order of updates, who subscribes, and the hand-over to the workers.
//! Never knows a socket or a token: whoever publishes and subscribes has been judged.

use super::history::{History, Missed};
use super::inbox::{Numbered, UpdateInbox};
use super::settings::Settings;
use super::subscription::Subscription;
use super::update::{MercureClaim, Update};
use super::version::Version;
use crate::codec::{self, Opcode};
use crate::room::RoomName;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A fresh id, such as `urn:uuid:...`.
pub type FreshId = fn() -> String;

/// The hub of updates. One for the process, also where no route serves it: then it holds nothing.
pub struct UpdateHub {
    state: Mutex<State>,
    inboxes: Box<[UpdateInbox]>,
    /// Whether messages of rooms are looked at at all.
    hears_rooms: AtomicBool,
    fresh_id: FreshId,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    history: History,
    next: u64,
    /// Subscribers of each worker.
    subscribers: Box<[usize]>,
    subscriptions: BTreeMap<u64, Arc<Subscription>>,
    subscribed: u64,
}

impl UpdateHub {
    /// A hub that hands over to so many workers.
    #[must_use]
    pub fn new(workers: usize, fresh_id: FreshId) -> Arc<UpdateHub> {
        let state = State {
            settings: Settings::default(),
            history: History::default(),
            next: 0,
            subscribers: vec![0; workers].into(),
            subscriptions: BTreeMap::new(),
            subscribed: 0,
        };
        Arc::new(UpdateHub {
            state: Mutex::new(state),
            inboxes: (0..workers).map(|_| UpdateInbox::default()).collect(),
            hears_rooms: AtomicBool::new(false),
            fresh_id,
        })
    }

    /// Keeps to what the configuration says from now on.
    pub fn set(&self, settings: Settings) {
        self.hears_rooms.store(settings.from_room && settings.map.is_some(), Ordering::Relaxed);
        let mut state = self.state();
        state.history.shrink(settings.history, settings.history_bytes);
        state.settings = settings;
    }

    /// The inbox of a worker; `None` for a worker that is not there.
    #[must_use]
    pub fn inbox(&self, worker: usize) -> Option<&UpdateInbox> {
        self.inboxes.get(worker)
    }

    /// Whether some worker is so far behind that nothing more should be published.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.inboxes.iter().any(UpdateInbox::is_congested)
    }

    /// A fresh id.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        (self.fresh_id)()
    }

    /// Hands an update to every worker that has subscribers, and keeps it.
    pub fn publish(&self, update: Update) {
        self.state().publish(update, &self.inboxes);
    }

    /// A room got this frame: it is an update, too, where the configuration says so. It is a
    /// private one, as a room is not open to everybody either.
    pub fn heard(&self, room: &RoomName, frame: &[u8]) {
        if !self.hears_rooms.load(Ordering::Relaxed) {
            return;
        }
        let Some((Opcode::Text, payload)) = codec::message_of(frame) else { return };
        let Ok(text) = std::str::from_utf8(payload) else { return };
        let mut state = self.state();
        let Some(topic) = state.settings.map.as_ref().and_then(|map| map.topic(room)) else { return };
        state.publish(Update::private(topic, self.fresh_id(), text), &self.inboxes);
    }

    /// Begins a subscription for a session of `worker`, and what it has missed since the update
    /// that it names. Whatever is published later comes through the inbox with a number of
    /// `since` or more; what has a lower one is in the answer already.
    pub fn subscribe(
        self: &Arc<UpdateHub>,
        subscription: Arc<Subscription>,
        worker: usize,
        last_event_id: Option<&str>,
    ) -> Subscribed {
        let mut state = self.state();
        if let Some(count) = state.subscribers.get_mut(worker) {
            *count += 1;
        }
        let number = state.subscribed;
        state.subscribed += 1;
        state.subscriptions.insert(number, Arc::clone(&subscription));
        let missed = last_event_id.map(|id| state.history.since(id));
        let since = state.next;
        state.tell(&subscription, true, self.fresh_id, &self.inboxes);
        drop(state);
        let Missed { before, updates } =
            missed.unwrap_or_else(|| Missed { before: "".into(), updates: Vec::new() });
        let updates = updates.into_iter().map(|numbered| numbered.update);
        let missed = updates.filter(|update| subscription.gets(update)).collect();
        let member = TopicSubscriber { hub: Arc::clone(self), subscription, worker, number, since };
        Subscribed { member, missed, before: (!before.is_empty()).then_some(before) }
    }

    /// The subscriptions, of one selector or all; `None` where they are not told.
    #[must_use]
    pub fn subscriptions(&self, path: &str, topic: Option<&str>) -> Option<Told> {
        let state = self.state();
        let Settings { version, path: hub, .. } = &state.settings;
        let told = state
            .subscriptions
            .values()
            .flat_map(|subscription| subscription.told(hub, true, *version).map(|(_, told)| told));
        let member = version.topic_member();
        let wanted =
            |told: &Value| topic.is_none_or(|topic| told.get(member).is_some_and(|one| one == topic));
        let listed: Vec<Value> = told.filter(wanted).take(LISTED_MAX).collect();
        let body = match version {
            Version::Zero => json!({ "id": path, "type": "Subscriptions", "subscriptions": listed }),
            Version::One => json!({ "id": path, "type": "subscriptions", "subscriptions": listed }),
        };
        state.settings.subscriptions.then(|| state.answer(body))
    }

    /// One subscription; `None` where there is none, or where they are not told.
    #[must_use]
    pub fn subscription(&self, topic: &str, subscriber: &str) -> Option<Told> {
        let state = self.state();
        let Settings { version, path, subscriptions, .. } = &state.settings;
        let found = state.subscriptions.values().find(|one| one.subscriber() == subscriber);
        let mut told = found.filter(|_| *subscriptions)?.told(path, true, *version);
        let member = version.topic_member();
        let (_, told) = told.find(|(_, told)| told.get(member).is_some_and(|one| one == topic))?;
        Some(state.answer(told))
    }

    /// A state whose holder panicked is whole enough: at worst an update more is kept.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn publish(&mut self, update: Update, inboxes: &[UpdateInbox]) {
        let numbered = Numbered { number: self.next, update: Arc::new(update) };
        self.next += 1;
        self.history.keep(&numbered, self.settings.history, self.settings.history_bytes);
        for (inbox, count) in inboxes.iter().zip(&self.subscribers) {
            if *count > 0 {
                inbox.push(numbered.clone());
            }
        }
    }

    /// Tells those who may know it that a subscription has begun or ended.
    fn tell(&mut self, subscription: &Subscription, active: bool, fresh: FreshId, inboxes: &[UpdateInbox]) {
        if !self.settings.subscriptions {
            return;
        }
        let path = Arc::clone(&self.settings.path);
        for (topic, mut told) in subscription.told(&path, active, self.settings.version) {
            let update = match self.settings.version {
                Version::Zero => {
                    add_context(&mut told);
                    Update::private(topic, fresh(), &told.to_string())
                }
                Version::One => Update::private_of_type(topic, fresh(), OWN_TYPE, &told.to_string()),
            };
            self.publish(update, inboxes);
        }
    }

    /// Completes what is told to who asks.
    fn answer(&self, mut body: Value) -> Told {
        let last_event_id = self.history.last();
        if self.settings.version == Version::Zero {
            add_context(&mut body);
            if let Some(object) = body.as_object_mut() {
                object.insert("lastEventID".to_owned(), json!(&*last_event_id));
            }
        }
        Told { body, last_event_id, version: self.settings.version, hub: Arc::clone(&self.settings.path) }
    }
}

fn add_context(told: &mut Value) {
    if let Some(object) = told.as_object_mut() {
        object.insert("@context".to_owned(), json!("https://mercure.rocks/"));
    }
}

impl fmt::Debug for UpdateHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpdateHub(..)")
    }
}

/// Who subscribes, as it is told to who asks.
#[derive(Debug)]
pub struct Told {
    /// The document.
    pub body: Value,
    /// The newest update by then.
    pub last_event_id: Arc<str>,
    /// Which version of the protocol it is told by.
    pub version: Version,
    /// The path of the hub.
    pub hub: Arc<str>,
}

/// What a subscription begins with.
pub struct Subscribed {
    /// The evidence of it.
    pub member: TopicSubscriber,
    /// What it has missed and may read.
    pub missed: Vec<Arc<Update>>,
    /// The id of the update before those, where one was asked for.
    pub before: Option<Arc<str>>,
}

/// A subscriber, counted: only [`UpdateHub::subscribe`] makes one, dropping it ends the subscription.
#[must_use]
#[derive(Debug)]
pub struct TopicSubscriber {
    hub: Arc<UpdateHub>,
    subscription: Arc<Subscription>,
    worker: usize,
    number: u64,
    since: u64,
}

impl TopicSubscriber {
    /// The topic selectors that it named.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.subscription.topics()
    }

    /// Stands on another token from now on: what is in the inbox still is judged by that.
    pub fn renew(&mut self, claim: Arc<MercureClaim>) {
        self.subscription = Arc::new(self.subscription.with(claim));
        self.hub.state().subscriptions.insert(self.number, Arc::clone(&self.subscription));
    }

    /// Whether an update from the inbox is for it.
    #[must_use]
    pub fn gets(&self, numbered: &Numbered) -> bool {
        numbered.number >= self.since && self.subscription.gets(&numbered.update)
    }
}

impl Drop for TopicSubscriber {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if let Some(count) = state.subscribers.get_mut(self.worker) {
            *count = count.saturating_sub(1);
        }
        state.subscriptions.remove(&self.number);
        state.tell(&self.subscription, false, self.hub.fresh_id, &self.hub.inboxes);
    }
}

const LISTED_MAX: usize = 10_000;
/// The type of the hub's own events in version 1.0: nobody else publishes one of it.
pub(super) const OWN_TYPE: &str = "mercure";

#[cfg(test)]
mod tests {
    use super::super::selector::TopicSelector;
    use super::super::topic_map::TopicMap;
    use super::super::update::Form;
    use super::*;

    fn selectors(list: &[&str]) -> Vec<TopicSelector> {
        list.iter().map(|text| TopicSelector::parse(text).expect(text)).collect()
    }

    fn subscription(name: &str, wanted: &[&str], granted: &[&str]) -> Arc<Subscription> {
        let claim = MercureClaim { subscribe: Some(selectors(granted)), ..MercureClaim::default() };
        Arc::new(Subscription::new(name.to_owned(), selectors(wanted), Some(claim)))
    }

    fn hub(settings: Settings) -> Arc<UpdateHub> {
        let hub = UpdateHub::new(2, || "fresh".to_owned());
        hub.set(settings);
        hub
    }

    fn kept() -> Settings {
        Settings { history: 10, history_bytes: 1 << 20, ..Settings::default() }
    }

    fn publish(hub: &UpdateHub, body: &str) {
        hub.publish(
            Form::parse(body.as_bytes(), 1000, "/hub").expect(body).into_update(|| "fresh".to_owned()),
        );
    }

    fn ids(updates: &[Arc<Update>]) -> Vec<&str> {
        updates.iter().map(|update| update.id()).collect()
    }

    fn arrived(hub: &UpdateHub, worker: usize, member: &TopicSubscriber) -> Vec<String> {
        let all = hub.inbox(worker).expect("an inbox").take();
        all.iter().filter(|one| member.gets(one)).map(|one| one.update.id().to_owned()).collect()
    }

    #[test]
    fn who_subscribes_gets_every_update_once_however_it_comes() {
        let hub = hub(kept());
        let other = hub.subscribe(subscription("o", &["*"], &[]), 0, None);
        publish(&hub, "topic=a&id=1");
        publish(&hub, "topic=a&id=2");
        // These two are in the inbox still when somebody comes back for the second.
        let Subscribed { member, missed, before } =
            hub.subscribe(subscription("s", &["a"], &[]), 0, Some("1"));
        assert_eq!((ids(&missed), before.as_deref()), (vec!["2"], Some("1")));
        publish(&hub, "topic=a&id=3");
        publish(&hub, "topic=b&id=4");
        let all = hub.inbox(0).expect("an inbox").take();
        let of = |member: &TopicSubscriber| all.iter().filter(|one| member.gets(one)).count();
        assert_eq!((of(&member), of(&other.member)), (1, 4));
        assert!(other.before.is_none() && other.missed.is_empty());
    }

    #[test]
    fn a_private_update_is_for_those_who_want_and_are_granted_one_of_its_topics() {
        let hub = hub(kept());
        let reader = |wanted: &[&str], granted: &[&str]| {
            hub.subscribe(subscription("s", wanted, granted), 1, None).member
        };
        let members = [
            reader(&["a"], &[]),
            reader(&["a"], &["a"]),
            reader(&["a"], &["alt"]),
            reader(&["*"], &["other"]),
            reader(&["other"], &["*"]),
            reader(&["/{x}"], &["*"]),
        ];
        publish(&hub, "topic=a&topic=alt&private=on&id=1");
        let all = hub.inbox(1).expect("an inbox").take();
        let got: Vec<bool> = members.iter().map(|member| all.iter().any(|one| member.gets(one))).collect();
        assert_eq!(got, [false, true, true, false, false, false]);
        let replayed = hub.subscribe(subscription("s", &["a"], &[]), 1, Some("earliest"));
        assert_eq!(ids(&replayed.missed), Vec::<&str>::new(), "the history is judged like the stream");
    }

    #[test]
    fn a_worker_without_subscribers_gets_nothing_and_an_end_is_an_end() {
        let hub = hub(kept());
        let member = hub.subscribe(subscription("s", &["*"], &[]), 0, None).member;
        publish(&hub, "topic=a&id=1");
        assert_eq!(arrived(&hub, 0, &member), ["1"]);
        assert!(hub.inbox(1).expect("an inbox").take().is_empty());
        drop(member);
        publish(&hub, "topic=a&id=2");
        assert!(hub.inbox(0).expect("an inbox").take().is_empty());
    }

    #[test]
    fn who_subscribes_is_told_only_where_that_is_wanted_and_only_to_those_who_are_granted_it() {
        let path = "/.well-known/mercure/subscriptions";
        let hub = hub(Settings { subscriptions: true, ..kept() });
        let watcher = hub.subscribe(subscription("w", &["*"], &["*"]), 0, None).member;
        let stranger = hub.subscribe(subscription("x", &["*"], &["a"]), 0, None).member;
        let _ = hub.inbox(0).expect("an inbox").take();
        let one = hub.subscribe(subscription("s", &["https://example.com/{id}"], &[]), 1, None).member;
        let all = hub.subscriptions(path, None).expect("told");
        assert_eq!(all.body["subscriptions"].as_array().map(Vec::len), Some(3));
        assert_eq!(all.body["lastEventID"], "fresh");
        let found = hub.subscription("https://example.com/{id}", "s").expect("one");
        assert_eq!(
            found.body["id"],
            "/.well-known/mercure/subscriptions/https%3A%2F%2Fexample.com%2F%7Bid%7D/s"
        );
        assert_eq!(found.body["active"], true);
        let some = hub.subscriptions(path, Some("https://example.com/{id}")).expect("told");
        assert_eq!(some.body["subscriptions"].as_array().map(Vec::len), Some(1));
        drop(one);
        let all = hub.inbox(0).expect("an inbox").take();
        assert_eq!(all.iter().filter(|one| watcher.gets(one)).count(), 2, "that it began, and that it ended");
        assert_eq!(all.iter().filter(|one| stranger.gets(one)).count(), 0);
        hub.set(kept());
        assert!(hub.subscriptions(path, None).is_none());
    }

    #[test]
    fn a_message_of_a_room_is_a_private_update_where_the_configuration_says_so() {
        let map = TopicMap::new("https://example.com/{room}", "{room}").ok().map(Arc::new);
        let hub = hub(Settings { map: map.clone(), ..kept() });
        let topic = "https://example.com/lobby";
        let granted = hub.subscribe(subscription("s", &[topic], &[topic]), 0, None).member;
        let not = hub.subscribe(subscription("t", &[topic], &[]), 0, None).member;
        let mut frame = Vec::new();
        codec::encode(Opcode::Text, b"hi", &mut frame);
        let room = RoomName::parse("lobby").expect("a room");
        hub.heard(&room, &frame);
        assert!(hub.inbox(0).expect("an inbox").take().is_empty(), "it does not say so");
        hub.set(Settings { map, from_room: true, ..kept() });
        hub.heard(&room, &frame);
        let all = hub.inbox(0).expect("an inbox").take();
        assert!(all.len() == 1 && granted.gets(&all[0]) && !not.gets(&all[0]));
        assert_eq!(all[0].update.event(), "id: fresh\ndata: hi\n\n");
    }
}
