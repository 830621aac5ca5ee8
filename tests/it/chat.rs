//! Owns the stories of a room: who gets what, as what, in which order.
//! Never knows a refusal.

use crate::support::ws::Got;
use crate::support::{Frame, Gateway, Ws};

const FAST: &str = "limits.messages_per_connection = '100000/s burst 100000'";

/// So many that both workers have some of them (all on one: one in 32,000).
fn crowd(gateway: &Gateway, room: &str) -> Vec<Ws> {
    (0..16).map(|index| gateway.join(room, &format!("member-{index}"))).collect()
}

#[test]
fn text_stays_text_and_binary_stays_binary_for_everybody_else() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let mut others = crowd(&gateway, "lobby");
    alice.text("Gr\u{fc}\u{df}e \u{1f44b}");
    alice.send(&Frame::binary([0, 255, 128]));
    alice.text("");
    for other in &mut others {
        other.expect_text("Gr\u{fc}\u{df}e \u{1f44b}");
        other.expect_binary(&[0, 255, 128]);
        other.expect_text("");
    }
    alice.expect_nothing();
}

#[test]
fn two_sessions_of_one_subject_are_two_members() {
    let gateway = Gateway::start();
    let mut one = gateway.join("lobby", "alice");
    let mut two = gateway.join("lobby", "alice");
    one.text("from one");
    two.expect_text("from one");
    one.expect_nothing();
}

#[test]
fn with_echo_the_sender_gets_its_own_message_too() {
    let gateway = Gateway::with("[[route]]\npath = '/chat/{room}'\nkind = 'broadcast'\necho = true");
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    alice.text("one");
    alice.expect_text("one");
    bob.expect_text("one");
    bob.text("two");
    alice.expect_text("two");
    bob.expect_text("two");
}

#[test]
fn the_senders_route_decides_whether_it_gets_its_own_message() {
    let gateway = Gateway::with(
        "[[route]]\npath = '/chat/{room}'\nkind = 'broadcast'\n\
         [[route]]\npath = '/echo/{room}'\nkind = 'broadcast'\necho = true",
    );
    let mut quiet = gateway.join("lobby", "alice");
    let token = gateway.token("bob");
    let mut echoed = gateway.open(&gateway.handshake().target("/echo/lobby").bearer(&token));
    echoed.settle();
    echoed.text("heard by both");
    echoed.expect_text("heard by both");
    quiet.expect_text("heard by both");
    quiet.text("heard by one");
    echoed.expect_text("heard by one");
    quiet.expect_nothing();
}

#[test]
fn a_route_without_a_room_in_its_path_names_one() {
    let gateway = Gateway::with(
        "[[route]]\npath = '/chat/{room}'\nkind = 'broadcast'\n\
         [[route]]\npath = '/news'\nkind = 'broadcast'\nroom = 'lobby'",
    );
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.open(&gateway.handshake().target("/news").bearer(&gateway.token("bob")));
    bob.settle();
    bob.text("one namespace over all routes");
    alice.expect_text("one namespace over all routes");
}

#[test]
fn rooms_are_apart() {
    let gateway = Gateway::start();
    let mut lobby = gateway.join("lobby", "alice");
    let mut lobby_too = gateway.join("lobby", "bob");
    let mut kitchen = gateway.join("kitchen", "carol");
    let mut almost = gateway.join("lobby2", "dave");
    lobby.text("hello lobby");
    lobby_too.expect_text("hello lobby");
    kitchen.text("hello kitchen");
    for ws in [&mut lobby, &mut lobby_too, &mut kitchen, &mut almost] {
        ws.expect_nothing();
    }
}

#[test]
fn one_who_left_gets_nothing_and_one_who_comes_gets_what_follows() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    gateway.join("lobby", "bob").leave();
    alice.text("to nobody");
    alice.settle();
    let mut carol = gateway.join("lobby", "carol");
    alice.text("to carol");
    carol.expect_text("to carol");
}

#[test]
fn a_message_arrives_whole_whatever_its_length_and_its_fragments() {
    let gateway = Gateway::with(FAST);
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    for length in [0, 1, 125, 126, 127, 4095, 4096, 16_383, 16_384, 16_385, 65_535, 65_536] {
        let payload: Vec<u8> = (0..=255_u8).cycle().take(length).collect();
        alice.send(&Frame::binary(&payload));
        bob.expect_binary(&payload);
    }
    alice.send(&Frame::text("one ").open_ended());
    alice.send(&Frame::ping(""));
    alice.send(&Frame::continuation("mess").open_ended());
    alice.send(&Frame::continuation("").open_ended());
    alice.send(&Frame::continuation("age"));
    bob.expect_text("one message");
}

#[test]
fn a_message_octet_by_octet_arrives_whole() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    alice.conn.send_one_by_one(&Frame::text("slowly but surely").octets());
    bob.expect_text("slowly but surely");
    alice
        .conn
        .send(&[Frame::text("a").octets(), Frame::text("b").octets(), Frame::text("c").octets()].concat());
    for one in ["a", "b", "c"] {
        bob.expect_text(one);
    }
}

/// Reads so many text messages.
fn read(ws: &mut Ws, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| match ws.read() {
            Got::Text(text) => text,
            other => panic!("{other:?} instead of a message"),
        })
        .collect()
}

#[test]
fn all_members_see_one_order_and_each_senders_messages_in_theirs() {
    const SENDERS: usize = 4;
    const EACH: usize = 200;
    let gateway = Gateway::with(FAST);
    let receivers = crowd(&gateway, "lobby");
    let senders: Vec<Ws> =
        (0..SENDERS).map(|index| gateway.join("lobby", &format!("sender-{index}"))).collect();
    let sending: Vec<_> = senders
        .into_iter()
        .enumerate()
        .map(|(sender, mut ws)| {
            std::thread::spawn(move || {
                for index in 0..EACH {
                    ws.text(&format!("{sender} {index}"));
                }
                read(&mut ws, (SENDERS - 1) * EACH)
            })
        })
        .collect();
    let receiving: Vec<_> = receivers
        .into_iter()
        .map(|mut ws| std::thread::spawn(move || read(&mut ws, SENDERS * EACH)))
        .collect();
    let heard_by_senders: Vec<_> =
        sending.into_iter().map(|thread| thread.join().expect("a sender")).collect();
    let heard: Vec<_> = receiving.into_iter().map(|thread| thread.join().expect("a receiver")).collect();

    let order = &heard[0];
    assert!(heard.iter().all(|one| one == order), "receivers differ");
    for (sender, heard) in heard_by_senders.iter().enumerate() {
        let own = format!("{sender} ");
        let (mine, others): (Vec<String>, Vec<String>) =
            order.iter().cloned().partition(|text| text.starts_with(&own));
        assert_eq!(*heard, others, "a sender sees the same order without its own");
        let expected: Vec<String> = (0..EACH).map(|index| format!("{sender} {index}")).collect();
        assert_eq!(mine, expected, "a sender's messages keep their order");
    }
}

#[test]
fn the_gauges_say_who_is_there() {
    let gateway = Gateway::start();
    let members = crowd(&gateway, "lobby");
    gateway.wait_metric("portcullis_sessions", &[], 16.0);
    drop(members);
    gateway.wait_metric("portcullis_sessions", &[], 0.0);
    gateway.wait_metric("portcullis_connections", &[], 0.0);
}
