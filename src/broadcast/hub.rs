//! Owns the rooms that exist and the evidence of being in one.
//! Never knows how a member is written to.

use super::room::{Room, RoomId};
use super::{Deflated, Delivery, Inbox, Sender};
use crate::auth::RoomGrant;
use crate::mercure::UpdateHub;
use crate::room::RoomName;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Locks over the names of the rooms; joining and leaving take one, publishing none.
const SHARDS: usize = 64;

/// The rooms of some names.
type Shard = Mutex<HashMap<RoomName, Arc<Room>>>;

/// All rooms of the process.
#[derive(Debug)]
pub struct Hub {
    shards: Box<[Shard]>,
    hasher: RandomState,
    inboxes: Box<[Inbox]>,
    rooms_made: AtomicU64,
    /// Hears what rooms get, where messages of rooms are updates, too.
    updates: OnceLock<Arc<UpdateHub>>,
}

impl Hub {
    /// A hub that hands over to so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Arc<Hub> {
        Arc::new(Hub {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            inboxes: (0..workers).map(|_| Inbox::default()).collect(),
            rooms_made: AtomicU64::new(0),
            updates: OnceLock::new(),
        })
    }

    /// The inbox of a worker; `None` for a worker that is not there.
    #[must_use]
    pub fn inbox(&self, worker: usize) -> Option<&Inbox> {
        self.inboxes.get(worker)
    }

    /// Whether some worker is so far behind that nothing more should be read.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.inboxes.iter().any(Inbox::is_congested)
            || self.updates.get().is_some_and(|updates| updates.is_congested())
    }

    /// Lets the hub of updates hear what rooms get. The first one stays.
    pub fn let_hear(&self, updates: Arc<UpdateHub>) {
        // There is one for the process: a second call would bring the same.
        let _ = self.updates.set(updates);
    }

    /// Rooms that have a member.
    #[must_use]
    pub fn rooms(&self) -> usize {
        (0..SHARDS).filter_map(|at| self.shards.get(at)).map(|shard| lock(shard).len()).sum()
    }

    /// Rooms with how many members each has; at most so many rooms.
    #[must_use]
    pub fn members(&self, most: usize) -> Vec<(RoomName, usize)> {
        let rooms = self.shards.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>());
        rooms.take(most).map(|room| (room.name.clone(), room.members().iter().sum())).collect()
    }

    /// The rooms whose names come after this one in the order of their octets, with how many
    /// members each has; at most so many, and whether there are more.
    #[must_use]
    pub fn page(&self, after: Option<&RoomName>, most: usize) -> (Vec<(RoomName, usize)>, bool) {
        let mut found: BTreeMap<RoomName, Arc<Room>> = BTreeMap::new();
        let mut more = false;
        for shard in &self.shards {
            for (name, room) in lock(shard).iter().filter(|(name, _)| Some(*name) > after) {
                // Most names of many lie behind a full page: they are not copied for it.
                let is_full = found.len() >= most;
                if is_full && found.last_key_value().is_none_or(|(last, _)| last < name) {
                    more = true;
                    continue;
                }
                found.insert(name.clone(), Arc::clone(room));
                if is_full {
                    found.pop_last();
                    more = true;
                }
            }
        }
        (found.into_iter().map(|(name, room)| (name, room.members().iter().sum())).collect(), more)
    }

    /// How many members a room has.
    #[must_use]
    pub fn members_of(&self, room: &RoomName) -> usize {
        let room = lock(self.shard(room)).get(room).map(Arc::clone);
        room.map_or(0, |room| room.members().iter().sum())
    }

    /// The number of a room that has a member.
    #[must_use]
    pub fn room_id(&self, room: &RoomName) -> Option<RoomId> {
        lock(self.shard(room)).get(room).map(|room| room.id)
    }

    /// Joins the room that a grant names, for a session of `worker`. With a publish grant
    /// there is a [`Publisher`] too.
    pub fn join(self: &Arc<Hub>, grant: &RoomGrant<'_>, worker: usize) -> (Subscriber, Option<Publisher>) {
        let room = {
            let mut rooms = lock(self.shard(grant.room()));
            let room = rooms.entry(grant.room().clone()).or_insert_with(|| {
                let id = RoomId(self.rooms_made.fetch_add(1, Ordering::Relaxed));
                Arc::new(Room::new(id, grant.room().clone(), self.inboxes.len()))
            });
            // Counted under the shard's lock: a room that is being left by its last member
            // is taken out under the same lock, so nobody joins one that is gone.
            if let Some(count) = room.members().get_mut(worker) {
                *count += 1;
            }
            Arc::clone(room)
        };
        let publisher =
            grant.may_publish().then(|| Publisher { hub: Arc::clone(self), room: Arc::clone(&room) });
        (Subscriber { hub: Arc::clone(self), room, worker, deflates: false }, publisher)
    }

    /// The right to send of a member whose grant has changed; `None` if the grant has none,
    /// or names another room.
    #[must_use]
    pub fn publisher(self: &Arc<Hub>, grant: &RoomGrant<'_>, member: &Subscriber) -> Option<Publisher> {
        let fits = grant.may_publish() && *grant.room() == member.room.name;
        fits.then(|| Publisher { hub: Arc::clone(self), room: Arc::clone(&member.room) })
    }

    /// Hands a frame to every member of a room on behalf of the operator's backend; the
    /// number of members it goes to. The caller stands behind the internal port.
    pub fn publish_from_backend(&self, room: &RoomName, frame: &Bytes) -> usize {
        let reached = self.publish_from_update(room, frame);
        self.overheard(room, frame);
        reached
    }

    /// Hands the frame of an update to every member of the room that its topic is; the number of
    /// members it goes to. It is an update already, so nobody hears of it.
    pub fn publish_from_update(&self, room: &RoomName, frame: &Bytes) -> usize {
        let found = lock(self.shard(room)).get(room).map(Arc::clone);
        found.map_or(0, |room| self.hand_over(&room, frame, None))
    }

    fn overheard(&self, room: &RoomName, frame: &[u8]) {
        if let Some(updates) = self.updates.get() {
            updates.heard(room, frame);
        }
    }

    /// Hands a frame to every member of a room on behalf of a peer that is no member, but whose
    /// grant lets it enter and publish; the number of members it goes to.
    ///
    /// `None` where the grant does not let it publish.
    pub fn publish_once(&self, grant: &RoomGrant<'_>, frame: &Bytes) -> Option<usize> {
        grant.may_publish().then(|| self.publish_from_backend(grant.room(), frame))
    }

    fn hand_over(&self, room: &Room, frame: &Bytes, except: Option<Sender>) -> usize {
        let members = room.members();
        // Whoever joins at this moment and is not counted yet gets it as it is.
        let deflated = (room.deflating.load(Ordering::Relaxed) > 0).then(Deflated::default);
        let mut reached = 0;
        for (inbox, count) in self.inboxes.iter().zip(members.iter()) {
            if *count > 0 {
                let (frame, deflated) = (frame.clone(), deflated.clone());
                inbox.push(Delivery { room: room.id, frame, deflated, except });
                reached += count;
            }
        }
        reached
    }

    fn shard(&self, room: &RoomName) -> &Shard {
        let at = usize::try_from(self.hasher.hash_one(room) % 64).unwrap_or(0);
        // INVARIANT: there are 64 shards and `at` is a remainder of 64.
        #[expect(clippy::indexing_slicing, reason = "a remainder of the number of shards")]
        &self.shards[at]
    }

    fn leave(&self, room: &Arc<Room>, worker: usize) {
        let mut rooms = lock(self.shard(&room.name));
        let mut members = room.members();
        if let Some(count) = members.get_mut(worker) {
            *count = count.saturating_sub(1);
        }
        if members.iter().all(|count| *count == 0) {
            rooms.remove(&room.name);
        }
    }
}

/// A map whose holder panicked is whole: each change of it is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A member of a room, counted there: only [`Hub::join`] makes one, dropping it leaves.
#[must_use]
#[derive(Debug)]
pub struct Subscriber {
    hub: Arc<Hub>,
    room: Arc<Room>,
    worker: usize,
    deflates: bool,
}

impl Subscriber {
    /// The room's number.
    #[must_use]
    pub fn room(&self) -> RoomId {
        self.room.id
    }

    /// Takes compressed frames from now on: the room's messages are compressed for it, once for
    /// all who do.
    pub fn take_deflated(&mut self) {
        if !std::mem::replace(&mut self.deflates, true) {
            self.room.deflating.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The room's name.
    #[must_use]
    pub fn room_name(&self) -> &RoomName {
        &self.room.name
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if self.deflates {
            self.room.deflating.fetch_sub(1, Ordering::Relaxed);
        }
        self.hub.leave(&self.room, self.worker);
    }
}

/// May send into a room: only [`Hub::join`] makes one, from a publish grant.
#[must_use]
#[derive(Debug)]
pub struct Publisher {
    hub: Arc<Hub>,
    room: Arc<Room>,
}

impl Publisher {
    /// Hands an encoded frame to every member but `except`. All members of the room see the
    /// same order.
    pub fn publish(&self, frame: &Bytes, except: Option<Sender>) {
        self.hub.hand_over(&self.room, frame, except);
        self.hub.overheard(&self.room.name, frame);
    }
}
