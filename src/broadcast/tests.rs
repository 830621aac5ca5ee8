//! Owns the tests of rooms: who is counted, who is handed what, in which order.
//! Never knows a socket.

use super::support::{identity, room};
use super::*;
use crate::auth::Identity;
use crate::codec;
use bytes::Bytes;
use std::sync::Arc;

const ONE: Sender = Sender { worker: 0, key: 1, serial: 7 };
/// A later session in the place of `ONE`.
const ONE_LATER: Sender = Sender { serial: 8, ..ONE };
const TWO: Sender = Sender { worker: 0, key: 2, serial: 9 };

fn join(hub: &Arc<Hub>, who: &Identity, name: &str, worker: usize) -> (Subscriber, Option<Publisher>) {
    hub.join(&who.grant(&room(name)).expect("a grant"), worker)
}

fn everybody() -> Identity {
    identity(&["*"], &["*"])
}

/// What a worker was handed: the frames as text, and who must not get them.
fn handed(hub: &Hub, worker: usize) -> Vec<(String, Option<Sender>)> {
    let deliveries = hub.inbox(worker).expect("an inbox").take(Vec::new());
    deliveries.into_iter().map(|delivery| (text(&delivery.frame), delivery.except)).collect()
}

fn text(frame: &[u8]) -> String {
    String::from_utf8(frame.to_vec()).expect("text")
}

fn frame(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn a_room_is_there_from_its_first_member_to_its_last() {
    let (hub, who) = (Hub::new(2), everybody());
    assert_eq!(hub.rooms(), 0);
    let (first, _) = join(&hub, &who, "lobby", 0);
    let (second, _) = join(&hub, &who, "lobby", 1);
    assert_eq!((hub.rooms(), first.room() == second.room()), (1, true));
    assert_eq!(second.room_name().as_str(), "lobby");
    let (other, _) = join(&hub, &who, "kitchen", 0);
    assert_eq!((hub.rooms(), first.room() == other.room()), (2, false));
    let old = first.room();
    drop(first);
    assert_eq!(hub.rooms(), 2);
    drop(second);
    assert_eq!(hub.rooms(), 1);
    let (again, _) = join(&hub, &who, "lobby", 0);
    assert_ne!(again.room(), old, "the number of a room is never given to another");
}

#[test]
fn a_publisher_is_made_from_a_publish_grant_alone() {
    let hub = Hub::new(1);
    assert!(join(&hub, &identity(&["*"], &["lobby"]), "lobby", 0).1.is_some());
    assert!(join(&hub, &identity(&["*"], &["lobby"]), "kitchen", 0).1.is_none());
    assert!(join(&hub, &identity(&["*"], &[]), "lobby", 0).1.is_none());
}

#[test]
fn a_publication_says_how_many_members_it_goes_to() {
    let (hub, who) = (Hub::new(3), everybody());
    let lobby = room("lobby");
    assert_eq!(hub.publish_from_backend(&lobby, &frame("to nobody")), 0);
    let mut members: Vec<_> = [0, 0, 0, 2].map(|worker| join(&hub, &who, "lobby", worker).0).into();
    let _kitchen = join(&hub, &who, "kitchen", 1);
    assert_eq!(hub.publish_from_backend(&lobby, &frame("a")), 4);
    members.truncate(1);
    assert_eq!(hub.publish_from_backend(&lobby, &frame("b")), 1);
    members.clear();
    assert_eq!(hub.publish_from_backend(&lobby, &frame("c")), 0);
    let of = |texts: &[&str]| texts.iter().map(|text| ((*text).to_owned(), None)).collect::<Vec<_>>();
    assert_eq!(handed(&hub, 0), of(&["a", "b"]));
    assert_eq!(handed(&hub, 1), of(&[]), "a worker without a member is not handed anything");
    assert_eq!(handed(&hub, 2), of(&["a"]));
}

#[test]
fn a_message_goes_once_to_each_worker_and_says_who_sent_it() {
    let (hub, who) = (Hub::new(2), everybody());
    let (_a, publisher) = join(&hub, &who, "lobby", 0);
    let (_b, _c) = (join(&hub, &who, "lobby", 1), join(&hub, &who, "lobby", 1));
    let publisher = publisher.expect("a publisher");
    publisher.publish(&frame("quiet"), Some(ONE));
    publisher.publish(&frame("echo"), None);
    let expected = vec![("quiet".to_owned(), Some(ONE)), ("echo".to_owned(), None)];
    assert_eq!(handed(&hub, 0), expected);
    assert_eq!(handed(&hub, 1), expected);
    assert_eq!(handed(&hub, 1), vec![], "it is taken once");
}

#[test]
fn a_message_is_encoded_once_and_shared_by_all_workers() {
    let (hub, who) = (Hub::new(2), everybody());
    let (_a, _b) = (join(&hub, &who, "lobby", 0), join(&hub, &who, "lobby", 1));
    let sent = Bytes::from(vec![b'x'; 100]);
    hub.publish_from_backend(&room("lobby"), &sent);
    for worker in 0..2 {
        let handed = hub.inbox(worker).expect("an inbox").take(Vec::new());
        assert_eq!(handed[0].frame.as_ptr(), sent.as_ptr());
    }
}

#[test]
fn what_is_sent_after_the_last_member_left_goes_to_nobody() {
    let (hub, who) = (Hub::new(1), everybody());
    let (member, publisher) = join(&hub, &who, "lobby", 0);
    drop(member);
    publisher.expect("a publisher").publish(&frame("late"), None);
    assert_eq!(handed(&hub, 0), vec![]);
}

#[test]
fn a_worker_that_is_not_there_has_no_members() {
    let (hub, who) = (Hub::new(1), everybody());
    let (member, _) = join(&hub, &who, "lobby", 5);
    assert_eq!(hub.publish_from_backend(&room("lobby"), &frame("x")), 0);
    assert!(hub.inbox(5).is_none());
    drop(member);
    assert_eq!(hub.rooms(), 0);
}

#[test]
fn all_workers_see_one_order_however_many_publish_at_once() {
    // So many that some are interrupted in the midst of a hand-over.
    const WORKERS: usize = 8;
    const THREADS: usize = 4;
    const EACH: usize = 4000;
    let (hub, who) = (Hub::new(WORKERS), everybody());
    let _members: Vec<_> = (0..WORKERS).map(|worker| join(&hub, &who, "lobby", worker)).collect();
    let publishers: Vec<_> =
        (0..THREADS).map(|_| join(&hub, &who, "lobby", 0).1.expect("a publisher")).collect();
    for serial in 0..10 {
        let start = std::sync::Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for (worker, publisher) in publishers.iter().enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    for key in 0..EACH {
                        publisher.publish(&frame("x"), Some(Sender { worker, key, serial }));
                    }
                });
            }
        });
        let order = |worker: usize| -> Vec<Option<Sender>> {
            let handed = hub.inbox(worker).expect("an inbox").take(Vec::new());
            handed.into_iter().map(|delivery| delivery.except).collect()
        };
        let first = order(0);
        assert_eq!(first.len(), THREADS * EACH);
        for worker in 1..WORKERS {
            assert!(order(worker) == first, "worker {worker} sees another order");
        }
    }
}

#[test]
fn rooms_that_are_entered_and_left_at_once_are_all_gone_in_the_end() {
    let (hub, who) = (Hub::new(2), everybody());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (hub, who) = (&hub, &who);
            scope.spawn(move || {
                for _ in 0..2000 {
                    let (member, publisher) = join(hub, who, "lobby", worker);
                    publisher.expect("a publisher").publish(&frame("x"), None);
                    drop(member);
                }
            });
        }
    });
    assert_eq!(hub.rooms(), 0);
    // Each published while it was a member, so each was handed its own at least.
    for worker in 0..2 {
        assert!(handed(&hub, worker).len() >= 2000);
    }
}

#[test]
fn an_inbox_is_congested_from_its_bound_on_and_until_it_is_taken() {
    let (hub, who) = (Hub::new(2), everybody());
    let (_a, _b) = (join(&hub, &who, "lobby", 0), join(&hub, &who, "lobby", 1));
    let big = Bytes::from(vec![0; Inbox::SOFT_BYTES_MAX - 1]);
    hub.publish_from_backend(&room("lobby"), &big);
    assert!(!hub.is_congested());
    hub.publish_from_backend(&room("lobby"), &frame("x"));
    assert!(hub.is_congested());
    assert_eq!(hub.inbox(0).expect("an inbox").take(Vec::new()).len(), 2);
    assert!(hub.is_congested(), "the other worker is behind still");
    assert_eq!(hub.inbox(1).expect("an inbox").take(Vec::new()).len(), 2);
    assert!(!hub.is_congested());
}

#[test]
fn a_worker_is_woken_by_the_first_of_a_burst_and_again_after_it_took_it() {
    use std::future::Future;
    use std::task::{Context, Waker};
    let (hub, who) = (Hub::new(1), everybody());
    let _member = join(&hub, &who, "lobby", 0);
    let inbox = hub.inbox(0).expect("an inbox");
    let has_come = || {
        let arrived = std::pin::pin!(inbox.arrived());
        arrived.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    };
    assert!(!has_come());
    for round in 0..3 {
        for _ in 0..3 {
            hub.publish_from_backend(&room("lobby"), &frame("x"));
        }
        assert!(has_come(), "round {round}");
        assert!(!has_come(), "round {round}: once for a burst");
        assert_eq!(inbox.take(Vec::new()).len(), 3);
    }
}

/// The rooms of one worker, and what each flush gave to whom.
struct Local {
    rooms: LocalRooms,
    room: RoomId,
}

impl Local {
    fn new() -> Local {
        Local { rooms: LocalRooms::default(), room: RoomId(1) }
    }

    fn deliver(&mut self, room: RoomId, text: &'static str, except: Option<Sender>) -> bool {
        self.rooms.deliver(&Delivery { room, frame: frame(text), deflated: None, except })
    }

    fn flush(&mut self) -> Vec<(Vec<usize>, String)> {
        let mut flushed = Vec::new();
        self.rooms.flush(|members, turn| {
            assert_eq!(turn.plain().shared(), turn.plain().octets());
            flushed.push((members.iter().map(|member| member.0).collect(), text(turn.plain().octets())));
        });
        flushed.sort();
        flushed
    }
}

#[test]
fn a_room_is_flushed_once_a_turn_with_all_its_frames_in_their_order() {
    let mut local = Local::new();
    let (lobby, kitchen, attic) = (local.room, RoomId(2), RoomId(3));
    for (room, member) in [(lobby, 10), (kitchen, 20), (lobby, 11), (attic, 30)] {
        local.rooms.join(room, Member(member));
    }
    for (room, text) in [(lobby, "a"), (kitchen, "x"), (lobby, "b"), (kitchen, "y"), (lobby, "c")] {
        assert!(!local.deliver(room, text, None));
    }
    assert_eq!(local.flush(), [(vec![10, 11], "abc".to_owned()), (vec![20], "xy".to_owned())]);
    assert_eq!(local.flush(), []);
    assert!(!local.deliver(lobby, "d", None));
    assert_eq!(local.flush(), [(vec![10, 11], "d".to_owned())], "the next turn begins empty");
}

#[test]
fn who_leaves_is_told_who_took_its_index() {
    let mut local = Local::new();
    let room = local.room;
    let indices: Vec<usize> = (0..4).map(|key| local.rooms.join(room, Member(10 + key))).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    assert_eq!(local.rooms.leave(room, 1), Some(Member(13)), "the last one moved");
    assert_eq!(local.rooms.leave(room, 2), None, "the last one itself");
    assert_eq!(local.rooms.leave(room, 7), None, "nobody is there");
    assert!(!local.deliver(room, "x", None));
    assert_eq!(local.flush(), [(vec![10, 13], "x".to_owned())]);
    assert_eq!(local.rooms.leave(room, 0), Some(Member(13)));
    assert_eq!(local.rooms.leave(room, 0), None);
    assert!(!local.deliver(room, "to nobody", None));
    assert_eq!(local.flush(), []);
    assert_eq!(local.rooms.leave(room, 0), None, "the room is gone");
}

#[test]
fn a_room_left_within_a_turn_takes_its_messages_along() {
    let mut local = Local::new();
    let room = local.room;
    local.rooms.join(room, Member(1));
    assert!(!local.deliver(room, "before", None));
    local.rooms.leave(room, 0);
    assert_eq!(local.flush(), []);
    local.rooms.join(room, Member(1));
    assert!(!local.deliver(room, "old", None));
    local.rooms.leave(room, 0);
    local.rooms.join(room, Member(2));
    assert!(!local.deliver(room, "new", None));
    assert_eq!(local.flush(), [(vec![2], "new".to_owned())], "once, without what came before it joined");
}

#[test]
fn a_sender_gets_the_turn_without_its_own_frames() {
    let mut local = Local::new();
    let room = local.room;
    local.rooms.join(room, Member(1));
    for (text, except) in [
        ("a1", Some(ONE)),
        ("b2", Some(TWO)),
        ("c-", None),
        ("d1", Some(ONE)),
        ("e1", Some(ONE)),
        ("f2", Some(TWO)),
    ] {
        assert!(!local.deliver(room, text, except));
    }
    let mut flushed = 0;
    local.rooms.flush(|_, turn| {
        flushed += 1;
        let without = |sender| {
            let mut out = b"> ".to_vec();
            turn.plain().without(sender, &mut out);
            text(&out)
        };
        assert_eq!(without(ONE), "> b2c-f2");
        assert_eq!(without(TWO), "> a1c-d1e1");
        assert_eq!(without(ONE_LATER), "> a1b2c-d1e1f2", "a later session in its place is another one");
        assert_eq!(turn.senders().collect::<Vec<_>>(), [ONE, TWO, ONE, ONE, TWO]);
        assert_eq!(
            turn.plain().shared().as_ptr(),
            turn.plain().shared().as_ptr(),
            "one copy for all that must keep it"
        );
    });
    assert_eq!(flushed, 1);
    assert!(!local.deliver(room, "g", None));
    local.rooms.flush(|_, turn| assert_eq!(turn.senders().count(), 0, "no sender of an earlier turn"));
}

#[test]
fn a_turn_that_is_full_asks_to_be_flushed() {
    let mut local = Local::new();
    let room = local.room;
    local.rooms.join(room, Member(1));
    let of = |bytes: usize| Delivery { room, frame: vec![b'x'; bytes].into(), deflated: None, except: None };
    assert!(!local.rooms.deliver(&of((256 << 10) - 1)));
    assert!(local.rooms.deliver(&of(1)));
    assert_eq!(local.flush().len(), 1);
    assert!(!local.rooms.deliver(&of(1)));
}

#[test]
fn a_frame_is_compressed_once_for_all_workers_and_only_where_somebody_takes_it() {
    let (hub, who) = (Hub::new(2), everybody());
    let (mut first, _) = join(&hub, &who, "lobby", 0);
    let (mut second, publisher) = join(&hub, &who, "lobby", 1);
    let publisher = publisher.expect("a publish grant");
    let mut long = Vec::new();
    codec::encode(codec::Opcode::Text, "words ".repeat(200).as_bytes(), &mut long);
    let long = Bytes::from(long);
    let next =
        |worker: usize| hub.inbox(worker).expect("an inbox").take(Vec::new()).pop().expect("a delivery");

    publisher.publish(&long, None);
    assert!(next(0).deflated.is_none() && next(1).deflated.is_none());
    first.take_deflated();
    first.take_deflated();
    second.take_deflated();
    publisher.publish(&long, None);
    let (one, two) = (next(0).deflated.expect("a form"), next(1).deflated.expect("a form"));
    assert_eq!(one.of(&long).map(<[u8]>::as_ptr), two.of(&long).map(<[u8]>::as_ptr));
    assert!(one.of(&long).expect("shorter").len() * 4 < long.len());
    drop(first);
    publisher.publish(&long, None);
    assert!(next(1).deflated.is_some(), "one is left who takes it");
    let _third = join(&hub, &who, "lobby", 0);
    drop(second);
    publisher.publish(&long, None);
    assert!(next(0).deflated.is_none());
}

#[test]
fn members_who_take_compressed_frames_get_each_message_once_in_the_same_order() {
    let mut local = Local::new();
    let room = local.room;
    local.rooms.join(room, Member(1));
    let mut long = Vec::new();
    codec::encode(codec::Opcode::Text, &[b'x'; 1000], &mut long);
    let squeezed = text_of(&codec::deflate(&long).expect("a shorter frame"));
    let long = Bytes::from(long);
    let deliver = |local: &mut Local, frame: &Bytes, deflated, except| {
        assert!(!local.rooms.deliver(&Delivery { room, frame: frame.clone(), deflated, except }));
    };
    deliver(&mut local, &frame("before"), None, None);
    deliver(&mut local, &long, Some(Deflated::default()), Some(ONE));
    deliver(&mut local, &frame("short"), Some(Deflated::default()), Some(TWO));
    deliver(&mut local, &long, Some(Deflated::default()), None);
    local.rooms.flush(|_, turn| {
        let plain = text_of(&long);
        assert_eq!(text_of(turn.plain().octets()), format!("before{plain}short{plain}"));
        let form = turn.deflating();
        assert_eq!(text_of(form.octets()), format!("before{squeezed}short{squeezed}"));
        assert_eq!(form.shared(), form.octets());
        let mut out = Vec::new();
        form.without(ONE, &mut out);
        assert_eq!(text_of(&out), format!("beforeshort{squeezed}"));
    });
    deliver(&mut local, &long, None, None);
    local
        .rooms
        .flush(|_, turn| assert_eq!(turn.deflating().octets(), &long[..], "the next turn begins anew"));
}

#[test]
fn a_turn_has_its_frames_as_events_in_the_same_order() {
    let mut local = Local::new();
    let room = local.room;
    local.rooms.join(room, Member(1));
    for (opcode, payload) in [(codec::Opcode::Text, &b"a\nb"[..]), (codec::Opcode::Binary, &[0, 255])] {
        let mut frame = Vec::new();
        codec::encode(opcode, payload, &mut frame);
        assert!(!local.rooms.deliver(&Delivery { room, frame: frame.into(), deflated: None, except: None }));
    }
    let events = "data: a\ndata: b\n\nevent: binary\ndata: AP8=\n\n";
    local.rooms.flush(|_, turn| assert_eq!(turn.events().octets(), events.as_bytes()));
    assert!(!local.deliver(room, "\u{81}", None));
    local.rooms.flush(|_, turn| assert_ne!(turn.events().octets(), events.as_bytes(), "a turn of its own"));
}

fn text_of(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}
