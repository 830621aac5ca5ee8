//! Owns the tests of a session's life, told in virtual time: `now` is what the test says.
//! Never knows a socket: octets go in, octets come out.

use super::*;
use crate::broadcast::support::{identity, room};
use crate::broadcast::{Hub, Subscriber};
use crate::throttle::Rate;

const S: Duration = Duration::from_secs(1);
const NS: Duration = Duration::from_nanos(1);
const ME: Sender = Sender { worker: 0, key: 3, serial: 4 };

fn policy() -> SessionPolicy {
    SessionPolicy {
        codec: codec::Limits { message_bytes: 1024, message_fragments: 4, message_timeout: 10 * S },
        echo: false,
        text: true,
        binary: true,
        messages: Rate { interval: S, burst: 3 },
        pings: Rate { interval: S, burst: 3 },
        send_queue_bytes: 1 << 20,
        ping_interval: 25 * S,
        pong_timeout: 8 * S,
        bytes: Rate { interval: S, burst: 10_000 },
        idle_timeout: 3600 * S,
        members_per_room: 10,
        max_session: 3600 * S,
    }
}

/// A session in a room, and a clock that only the test moves.
struct Story {
    session: Session,
    now: Instant,
    began: Instant,
    counters: WorkerCounters,
    hub: Arc<Hub>,
    _member: Subscriber,
}

impl Story {
    fn new() -> Story {
        Story::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut SessionPolicy)) -> Story {
        Story::of(change, None, &["*"])
    }

    fn ending_after(ends: Duration) -> Story {
        Story::of(|_| {}, Some(ends), &["*"])
    }

    fn of(change: impl FnOnce(&mut SessionPolicy), ends: Option<Duration>, publish: &[&str]) -> Story {
        let (mut policy, hub, began) = (policy(), Hub::new(1), Instant::now());
        change(&mut policy);
        let who = identity(&["lobby"], publish);
        let (member, publisher) = hub.join(&who.grant(&room("lobby")).expect("a grant"), 0);
        let authority_ends = ends.map(|ends| began + ends);
        let opening = Opening {
            policy: Arc::new(policy),
            publisher,
            sender: ME,
            transport: Transport::WebSocket,
            deflates: false,
            authority_ends,
            way: Way::Room,
        };
        let counters = WorkerCounters::default();
        Story { session: Session::open(opening, began), now: began, began, counters, hub, _member: member }
    }

    /// Moves the clock to this long after the beginning.
    fn at(&mut self, since: Duration) -> &mut Story {
        assert!(self.began + since >= self.now, "time goes on");
        self.now = self.began + since;
        self
    }

    /// What it says to these octets.
    fn receive(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.receive(&mut octets.to_vec(), self.now, &self.counters, None, &mut out, &mut |_| {});
        out
    }

    /// What it says because of the time.
    fn due(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.due(self.now, &mut out);
        out
    }

    fn close(&mut self, reason: Rejection) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.close(reason, self.now, &mut out);
        out
    }

    /// Nothing is due a nanosecond before `since`; what is said at it.
    fn due_at(&mut self, since: Duration) -> Vec<u8> {
        assert_eq!(self.at(since - NS).due(), b"", "not before its time");
        assert_eq!(self.session.stage(), Stage::Open);
        assert_eq!(self.session.next_due(), self.began + since);
        self.at(since).due()
    }

    /// What was handed to the room, and to whom not.
    fn delivered(&self) -> Vec<(Vec<u8>, Option<Sender>)> {
        let deliveries = self.hub.inbox(0).expect("an inbox").take(Vec::new());
        deliveries.into_iter().map(|delivery| (delivery.frame.to_vec(), delivery.except)).collect()
    }

    fn lingers(&self, reason: Rejection, code: u16) {
        let until = self.now + S;
        assert_eq!(self.session.stage(), Stage::Lingering { end: End { reason, code }, until });
    }

    fn awaits_an_answer(&self, reason: Rejection, code: u16, wait: Duration) {
        let until = self.now + wait;
        assert_eq!(self.session.stage(), Stage::Closing { end: End { reason, code }, until });
        assert_eq!(self.session.next_due(), until);
    }
}

/// A masked frame of the peer.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let length = u8::try_from(payload.len()).expect("short");
    assert!(length < 126);
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask);
    [first, 0x80 | length].into_iter().chain(mask).chain(masked).collect()
}

fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

fn ping(payload: &str) -> Vec<u8> {
    frame(0x89, payload.as_bytes())
}

fn pong() -> Vec<u8> {
    frame(0x8A, b"")
}

fn peer_close(code: u16) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes())
}

/// What a session says.
fn said(opcode: Opcode, payload: &str) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode(opcode, payload.as_bytes(), &mut out);
    out
}

fn said_close(code: u16, reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode_close(Some(code), reason, &mut out);
    out
}

fn heard(payload: &str) -> Vec<u8> {
    said(Opcode::Text, payload)
}

// --- silence ------------------------------------------------------------------------------

#[test]
fn a_silent_peer_is_pinged_after_the_ping_interval_and_closed_after_the_pong_timeout() {
    let mut story = Story::new();
    assert_eq!(story.due_at(25 * S), said(Opcode::Ping, ""));
    assert_eq!(story.due(), b"", "one ping at a time");
    assert_eq!(story.due_at(33 * S), said_close(3008, "no_pong"));
    story.awaits_an_answer(Rejection::NoPong, 3008, 5 * S);
}

#[test]
fn a_peer_that_answers_is_pinged_again_after_another_interval() {
    let mut story = Story::new();
    assert_eq!(story.due_at(25 * S), said(Opcode::Ping, ""));
    assert_eq!(story.at(30 * S).receive(&pong()), b"");
    assert_eq!(story.at(33 * S).due(), b"", "it has answered");
    assert_eq!(story.due_at(55 * S), said(Opcode::Ping, ""));
}

#[test]
fn whatever_comes_shows_that_the_peer_is_there() {
    for octets in [text("x"), text("half a frame")[..3].to_vec(), ping("")] {
        let mut story = Story::new();
        story.at(20 * S).receive(&octets);
        if octets.len() == 3 {
            story.receive(&text("half a frame")[3..]);
        }
        assert_eq!(story.due_at(45 * S), said(Opcode::Ping, ""), "silent since 20 s");
        story.at(50 * S).receive(&octets);
        assert_eq!(story.at(53 * S).due(), b"", "not what was asked for, but a sign of life");
        assert_eq!(story.session.stage(), Stage::Open);
    }
}

#[test]
fn a_life_of_pings_ends_at_the_longest_session() {
    let mut story = Story::new();
    let mut pings = 0;
    while story.session.stage() == Stage::Open {
        let due = story.session.next_due();
        assert!(due > story.now || pings == 0, "time goes on");
        story.now = due;
        let said_now = story.due();
        if said_now == said(Opcode::Ping, "") {
            pings += 1;
            assert_eq!(story.receive(&pong()), b"");
        } else {
            assert_eq!(
                said_now,
                if due < story.began + 3600 * S { vec![] } else { said_close(1001, "max_session") }
            );
        }
    }
    assert_eq!((pings, story.now - story.began), (143, 3600 * S), "a ping every 25 s, the end at an hour");
}

// --- deadlines ----------------------------------------------------------------------------

#[test]
fn a_session_ends_when_its_authority_does() {
    let mut story = Story::ending_after(20 * S);
    assert_eq!(story.due_at(20 * S), said_close(3000, "authority_expired"));
    story.awaits_an_answer(Rejection::AuthorityExpired, 3000, 5 * S);
}

#[test]
fn a_wall_clock_that_is_set_moves_the_end_of_an_authority_and_no_other_deadline() {
    let mut story = Story::ending_after(600 * S);
    let silence = story.session.next_due();
    story.session.ends_with_authority(Some(story.now + 20 * S));
    assert_eq!(story.session.next_due(), story.now + 20 * S);
    story.session.ends_with_authority(Some(story.now + 3_000 * S));
    assert_eq!(story.session.next_due(), silence, "pings go by the clock that never steps");
    story.session.ends_with_authority(Some(story.now));
    assert_eq!(story.due(), said_close(3000, "authority_expired"));
}

#[test]
fn an_authority_that_has_ended_ends_the_session_at_once() {
    let mut story = Story::ending_after(Duration::ZERO);
    assert_eq!(story.session.next_due(), story.now);
    assert_eq!(story.due(), said_close(3000, "authority_expired"));
}

#[test]
fn a_session_ends_at_its_longest_whatever_the_peer_sends() {
    let mut story = Story::with(|policy| policy.max_session = 60 * S);
    for second in (10..60).step_by(10) {
        story.at(second * S).receive(&text("still here"));
    }
    assert_eq!(story.due_at(60 * S), said_close(1001, "max_session"));
    story.awaits_an_answer(Rejection::MaxSession, 1001, 5 * S);
}

#[test]
fn the_end_of_the_authority_is_told_first() {
    let mut story = Story::of(|policy| policy.max_session = 10 * S, Some(10 * S), &["*"]);
    assert_eq!(story.due_at(10 * S), said_close(3000, "authority_expired"));
}

#[test]
fn a_message_must_be_whole_in_time_however_it_trickles() {
    let whole = text("never whole");
    let mut story = Story::new();
    story.at(S).receive(&whole[..1]);
    for (second, octet) in (2..11).zip(&whole[1..10]) {
        assert_eq!(story.at(second * S).receive(&[*octet]), b"");
    }
    assert_eq!(story.due_at(11 * S), said_close(1008, "message_slow"));
    story.lingers(Rejection::MessageSlow, 1008);
    assert_eq!(story.delivered(), []);
}

#[test]
fn a_message_that_is_whole_in_time_leaves_no_deadline() {
    let mut story = Story::new();
    story.at(S).receive(&frame(0x01, b"in "));
    story.at(11 * S - NS).receive(&frame(0x80, b"time"));
    assert_eq!(story.delivered(), [(heard("in time"), Some(ME))]);
    assert_eq!(story.at(11 * S).due(), b"");
    assert_eq!(story.session.next_due(), story.began + 36 * S - NS, "the next ping");
}

// --- closing ------------------------------------------------------------------------------

#[test]
fn our_close_is_answered_and_the_rest_is_dropped_for_a_second() {
    let mut story = Story::new();
    assert_eq!(story.close(Rejection::Drain), said_close(1001, "drain"));
    story.awaits_an_answer(Rejection::Drain, 1001, 5 * S);
    assert_eq!(story.at(2 * S).receive(&peer_close(1001)), b"", "an answer is not answered");
    story.lingers(Rejection::Drain, 1001);
    assert_eq!(story.session.next_due(), story.began + 3 * S);
    assert_eq!(story.at(3 * S - NS).due(), b"");
    story.at(3 * S).due();
    assert_eq!(story.session.stage(), Stage::Over(End { reason: Rejection::Drain, code: 1001 }));
}

#[test]
fn a_close_that_is_not_answered_ends_after_a_while() {
    for (reason, code, wait) in [(Rejection::Drain, 1001, 5 * S), (Rejection::SlowReader, 1013, S)] {
        let mut story = Story::new();
        story.close(reason);
        story.awaits_an_answer(reason, code, wait);
        story.at(wait - NS).due();
        assert!(matches!(story.session.stage(), Stage::Closing { .. }));
        story.at(wait).due();
        story.lingers(reason, code);
        story.at(wait + S).due();
        assert_eq!(story.session.stage(), Stage::Over(End { reason, code }));
        assert_eq!(story.due(), b"");
    }
}

#[test]
fn a_close_is_said_once() {
    let mut story = Story::new();
    story.close(Rejection::Drain);
    assert_eq!(story.close(Rejection::SlowReader), b"");
    assert_eq!(story.session.stage().end(), Some(End { reason: Rejection::Drain, code: 1001 }));
}

#[test]
fn a_close_of_the_peer_is_answered_with_its_code_and_without_its_words() {
    for code in [1000, 1001, 1007, 1011, 3000, 4999] {
        let mut story = Story::new();
        let words = [&u16::to_be_bytes(code)[..], b"goodbye"].concat();
        assert_eq!(story.receive(&frame(0x88, &words)), said_close(code, ""));
        story.lingers(Rejection::PeerClosed, code);
    }
    let mut story = Story::new();
    let mut empty = Vec::new();
    codec::encode_close(None, "", &mut empty);
    assert_eq!(story.receive(&frame(0x88, b"")), empty, "none is answered with none");
    story.lingers(Rejection::PeerClosed, 1005);
}

#[test]
fn what_comes_behind_a_close_is_ignored() {
    let mut story = Story::new();
    let octets = [text("before"), peer_close(1000), text("behind"), ping("behind"), vec![0xFF; 20]].concat();
    assert_eq!(story.receive(&octets), said_close(1000, ""));
    assert_eq!(story.receive(&[text("later"), ping(""), peer_close(1001)].concat()), b"");
    assert_eq!(story.delivered(), [(heard("before"), Some(ME))]);
    story.lingers(Rejection::PeerClosed, 1000);
}

#[test]
fn behind_our_close_only_a_close_means_anything() {
    let mut story = Story::new();
    story.close(Rejection::Drain);
    for _ in 0..10 {
        assert_eq!(story.receive(&[text("too late"), ping("x"), pong()].concat()), b"");
    }
    assert!(matches!(story.session.stage(), Stage::Closing { .. }));
    assert_eq!(story.receive(&[text("too late"), peer_close(1000)].concat()), b"");
    story.lingers(Rejection::Drain, 1001);
    assert_eq!(story.delivered(), []);
}

#[test]
fn a_violation_is_told_and_what_the_peer_says_to_it_is_dropped() {
    for (octets, reason, code) in [
        (vec![0x81, 0x01, b'x'], Rejection::FrameUnmasked, 1002),
        (frame(0x81, b"\xFF"), Rejection::Utf8, 1007),
        (frame(0x88, &[0]), Rejection::CloseMalformed, 1002),
    ] {
        let mut story = Story::new();
        let both = [text("before"), octets, text("behind")].concat();
        assert_eq!(story.receive(&both), said_close(code, reason.name()));
        story.lingers(reason, code);
        assert_eq!(story.receive(&text("later")), b"");
        assert_eq!(story.delivered(), [(heard("before"), Some(ME))]);
    }
}

#[test]
fn every_reason_to_close_says_its_code_and_its_name() {
    let mut seen = 0;
    for reason in Rejection::ALL.iter().copied() {
        let Answer::Close(code) = reason.answer() else { continue };
        // No code is ever sent that must not be (RFC 6455 section 7.4.1).
        assert!(![1004, 1005, 1006, 1015].contains(&code) && code >= 1000, "{reason:?}");
        let mut story = Story::new();
        if matches!(reason, Rejection::PeerClosed | Rejection::PeerGone) {
            continue;
        }
        seen += 1;
        assert_eq!(story.close(reason), said_close(code, reason.name()));
        assert_eq!(story.session.stage().end(), Some(End { reason, code }));
        assert_eq!(story.receive(&text("x")), b"");
        assert_eq!(story.delivered(), [], "{reason:?}");
    }
    assert!(seen > 15);
}

#[test]
fn a_peer_that_vanishes_ends_it_at_once_as_what_it_was() {
    let mut story = Story::new();
    story.session.peer_gone();
    assert_eq!(story.session.stage(), Stage::Over(End { reason: Rejection::PeerGone, code: 1006 }));
    assert_eq!(story.receive(&text("x")), b"");
    let mut closing = Story::new();
    closing.close(Rejection::Drain);
    closing.session.peer_gone();
    assert_eq!(closing.session.stage(), Stage::Over(End { reason: Rejection::Drain, code: 1001 }));
    for story in [&mut story, &mut closing] {
        assert_eq!((story.close(Rejection::Drain), story.delivered()), (vec![], vec![]));
    }
}

// --- messages -----------------------------------------------------------------------------

#[test]
fn a_message_goes_to_the_room_as_what_it_is_but_not_to_its_sender() {
    let mut story = Story::new();
    assert_eq!(story.receive(&[text("t"), frame(0x82, &[0, 255])].concat()), b"");
    let mut binary = Vec::new();
    codec::encode(Opcode::Binary, &[0, 255], &mut binary);
    assert_eq!(story.delivered(), [(heard("t"), Some(ME)), (binary, Some(ME))]);
}

#[test]
fn with_echo_it_goes_to_its_sender_too() {
    let mut story = Story::with(|policy| policy.echo = true);
    story.receive(&text("t"));
    assert_eq!(story.delivered(), [(heard("t"), None)]);
}

#[test]
fn a_kind_that_the_route_does_not_take_is_1003() {
    let mut story = Story::with(|policy| policy.binary = false);
    assert_eq!(story.receive(&text("t")), b"");
    assert_eq!(story.receive(&frame(0x82, b"b")), said_close(1003, "message_kind"));
    assert_eq!(story.delivered().len(), 1);
    let mut story = Story::with(|policy| policy.text = false);
    assert_eq!(story.receive(&frame(0x82, b"b")), b"");
    assert_eq!(story.receive(&text("t")), said_close(1003, "message_kind"));
    assert_eq!(story.delivered().len(), 1);
}

#[test]
fn a_message_without_a_publish_grant_goes_to_nobody_and_closes_its_sender() {
    let mut story = Story::of(|_| {}, None, &["other"]);
    assert_eq!(story.receive(&ping("p")), said(Opcode::Pong, "p"), "it may be there");
    assert_eq!(story.receive(&text("t")), said_close(3003, "publish_not_granted"));
    story.lingers(Rejection::PublishNotGranted, 3003);
    assert_eq!(story.delivered(), []);
}

#[test]
fn messages_have_a_burst_and_a_rate() {
    let mut story = Story::new();
    assert_eq!(story.receive(&[text("1"), text("2"), text("3")].concat()), b"");
    assert_eq!(story.at(S - NS).delivered().len(), 3);
    let mut one_more_too_early = Story::new();
    one_more_too_early.receive(&[text("1"), text("2"), text("3")].concat());
    assert_eq!(one_more_too_early.at(S - NS).receive(&text("4")), said_close(1008, "message_rate"));
    one_more_too_early.lingers(Rejection::MessageRate, 1008);
    assert_eq!(one_more_too_early.delivered().len(), 3);
    assert_eq!(story.at(S).receive(&text("4")), b"");
    assert_eq!(story.at(2 * S).receive(&text("5")), b"");
    assert_eq!(story.receive(&text("6")), said_close(1008, "message_rate"));
    assert_eq!(story.delivered().len(), 2);
}

#[test]
fn a_burst_of_one_lets_one_through() {
    let mut story = Story::with(|policy| policy.messages = Rate { interval: S, burst: 1 });
    assert_eq!(story.receive(&text("1")), b"");
    assert_eq!(story.at(S).receive(&text("2")), b"");
    assert_eq!(story.receive(&text("3")), said_close(1008, "message_rate"));
    assert_eq!(story.delivered().len(), 2);
}

// --- pings --------------------------------------------------------------------------------

#[test]
fn of_the_pings_that_come_together_the_last_is_answered() {
    let mut story = Story::new();
    assert_eq!(story.receive(&[ping("a"), text("t"), ping("b")].concat()), said(Opcode::Pong, "b"));
    assert_eq!(story.receive(&ping("c")), said(Opcode::Pong, "c"));
    let mut story = Story::new();
    assert_eq!(story.receive(&[ping("a"), peer_close(1000)].concat()), said_close(1000, ""));
}

#[test]
fn pings_have_a_burst_and_a_rate() {
    let mut story = Story::new();
    assert_eq!(story.receive(&[ping("1"), ping("2"), ping("3")].concat()), said(Opcode::Pong, "3"));
    assert_eq!(story.at(S).receive(&ping("4")), said(Opcode::Pong, "4"));
    let over = story.at(2 * S - NS).receive(&ping("5"));
    assert_eq!(over, said_close(1008, "ping_rate"), "and is not answered");
    story.lingers(Rejection::PingRate, 1008);
}

#[test]
fn a_pong_that_was_asked_for_is_free_and_others_count_as_pings_do() {
    let mut story = Story::with(|policy| policy.pings = Rate { interval: 3600 * S, burst: 2 });
    assert_eq!(story.due_at(25 * S), said(Opcode::Ping, ""));
    assert_eq!(story.receive(&pong()), b"");
    assert_eq!(story.due_at(50 * S), said(Opcode::Ping, ""));
    assert_eq!(story.receive(&[pong(), pong()].concat()), b"", "one was asked for");
    assert_eq!(story.receive(&ping("p")), said(Opcode::Pong, "p"));
    assert_eq!(story.receive(&pong()), said_close(1008, "ping_rate"));
}

/// An event stream in the place of the WebSocket.
fn stream(ends: Option<Duration>) -> Story {
    let mut story = Story::of(|_| {}, ends, &["*"]);
    let opening = Opening {
        policy: Arc::new(policy()),
        publisher: None,
        sender: ME,
        transport: Transport::Events,
        deflates: false,
        authority_ends: ends.map(|ends| story.began + ends),
        way: Way::Room,
    };
    story.session = Session::open(opening, story.began);
    story
}

#[test]
fn a_stream_has_a_heartbeat_and_ends_with_its_authority() {
    let mut story = stream(Some(60 * S));
    assert_eq!(story.due_at(25 * S), b":\n");
    assert_eq!(story.due_at(50 * S), b":\n");
    let said = String::from_utf8(story.due_at(60 * S)).expect("UTF-8");
    assert_eq!(said, "event: close\ndata: {\"code\":3000,\"reason\":\"authority_expired\"}\n\n");
    story.lingers(Rejection::AuthorityExpired, 3000);
    assert_eq!(story.receive(b"GET"), b"", "all is said");
}

#[test]
fn whoever_reads_a_stream_says_nothing_and_leaves_by_hanging_up() {
    let mut story = stream(None);
    assert!(story.receive(b"x").starts_with(b"event: close\n"));
    story.lingers(Rejection::StreamOctets, 1002);
    let mut story = stream(None);
    story.session.peer_gone();
    assert_eq!(story.session.stage(), Stage::Over(End { reason: Rejection::PeerClosed, code: 1005 }));
}
