//! Owns the story of a gateway that everything happens to, again and again: nothing stays behind.
//! Never knows which of it comes next.

use crate::support::ws::Got;
use crate::support::{Conn, Gateway, Ws, is_long, wait_for};
use socket2::SockRef;
use std::time::Duration;

/// Who stays from the start to the end.
const LIVES: usize = 3;
/// Guests at once.
const GUESTS_MAX: usize = 8;
/// What the memory may have grown by since the first tenth: it depends on no number of rounds.
const GROWTH_MAX: usize = 8 << 20;

/// Random numbers that come again with their seed (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn of_today() -> Dice {
        let seed = std::env::var("SOAK_SEED").map_or_else(
            |_| u64::from(std::process::id()) + 0x9E37_79B9_7F4A_7C15,
            |seed| seed.parse().expect("a number"),
        );
        eprintln!("SOAK_SEED={seed}");
        Dice(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("small")
    }
}

/// A session and whose it is.
struct Member {
    ws: Ws,
    subject: String,
}

struct Soak {
    gateway: Gateway,
    lives: Vec<Member>,
    guests: Vec<Member>,
    entered: usize,
    reloads: usize,
}

fn join(gateway: &Gateway, subject: String) -> Member {
    Member { ws: gateway.join("lobby", &subject), subject }
}

/// The connection ends with a reset instead of an end.
fn reset(conn: &Conn) {
    SockRef::from(&conn.0.sock).set_linger(Some(Duration::ZERO)).expect("a socket");
}

/// Open files and threads of the process, once nothing comes and goes.
fn held(gateway: &Gateway) -> (usize, usize) {
    let count =
        |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", gateway.pid())).expect("a process").count();
    let look = || {
        std::thread::park_timeout(Duration::from_millis(20));
        (count("fd"), count("task"))
    };
    let mut last = look();
    let mut equal = 0;
    while equal < 10 {
        let next = look();
        equal = if next == last { equal + 1 } else { 0 };
        last = next;
    }
    last
}

impl Soak {
    fn begin() -> Soak {
        let gateway = Gateway::with("limits.messages_per_connection = '100000/s burst 100000'");
        let lives = (0..LIVES).map(|index| join(&gateway, format!("lives-{index}"))).collect();
        Soak { gateway, lives, guests: Vec::new(), entered: 0, reloads: 0 }
    }

    fn members(&mut self) -> impl Iterator<Item = &mut Member> {
        self.lives.iter_mut().chain(&mut self.guests)
    }

    /// One says something, and everybody else gets that and nothing else.
    fn chat(&mut self, dice: &mut Dice) {
        let count = self.members().count();
        let sender = dice.below(count);
        let text = "f".repeat(1 + dice.below(3000));
        self.members().nth(sender).expect("a member").ws.text(&text);
        for (index, member) in self.members().enumerate() {
            if index != sender {
                member.ws.expect_text(&text);
            }
        }
    }

    fn enter(&mut self) {
        if self.guests.len() < GUESTS_MAX {
            self.entered += 1;
            self.guests.push(join(&self.gateway, format!("guest-{}", self.entered)));
        }
    }

    fn guest(&mut self, dice: &mut Dice) -> Option<Member> {
        let count = self.guests.len();
        (count > 0).then(|| self.guests.swap_remove(dice.below(count)))
    }

    /// An order to end what a guest has; it is told why.
    fn end(&mut self, dice: &mut Dice, order: &str, reason: &str) {
        let Some(mut guest) = self.guest(dice) else { return };
        let body = format!("{{\"subject\":\"{}\"}}", guest.subject);
        let answer = self.gateway.internal().ask("POST", order, &[], &body);
        assert_eq!(answer.json()["closed"], 1, "{answer:?}");
        let got = guest.ws.read();
        assert!(matches!(&got, Got::Close(Some(_), why) if why == reason), "{got:?}");
    }

    fn certificate(&self) -> Vec<u8> {
        self.gateway.connect().server_certificate().to_vec()
    }

    fn new_certificate(&self) -> Vec<u8> {
        let leaf = self.gateway.setup.ca.server(&["localhost".to_owned(), "127.0.0.1".to_owned()]);
        self.gateway.setup.put("server.key", &leaf.private_key, 0o600);
        self.gateway.setup.put("server.pem", &leaf.certificate, 0o644);
        leaf.serial
    }

    /// A reload that is done: half of what comes next must not be read by it.
    fn hang_up(&mut self) {
        let is_reload = |line: &serde_json::Value| line["event"] == "reloaded";
        let before = self.gateway.log.count(is_reload);
        self.gateway.sighup();
        self.gateway.log.count_of("a reload", before + 1, is_reload);
        self.reloads += 1;
    }

    /// One thing that happens.
    fn round(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0 | 1 => self.enter(),
            2 => {
                let new = self.new_certificate();
                self.hang_up();
                wait_for("the new certificate", || self.certificate() == new);
            }
            3 => self.hang_up(),
            4 => self.end(dice, "/admin/revoke", "revoked"),
            5 => self.end(dice, "/admin/kick", "kicked"),
            6 => {
                if let Some(guest) = self.guest(dice) {
                    reset(&guest.ws.conn);
                }
            }
            7 => {
                // In the middle of a head.
                let mut conn = self.gateway.connect();
                let head = self.gateway.handshake().octets();
                conn.send(&head[..dice.below(head.len())]);
                reset(&conn);
            }
            8 => {
                let refused = self.gateway.ask(&self.gateway.handshake().target("/nothing"));
                assert_eq!(refused.status, 404, "{refused:?}");
            }
            _ => {
                if let Some(guest) = self.guest(dice) {
                    guest.ws.leave();
                }
            }
        }
        self.chat(dice);
    }

    /// Nobody is there but who stays.
    fn calm(&mut self) {
        for guest in self.guests.drain(..) {
            guest.ws.leave();
        }
        self.gateway.wait_metric("portcullis_sessions", &[], LIVES as f64);
        self.gateway.wait_metric("portcullis_connections", &[], LIVES as f64);
        self.gateway.wait_metric("portcullis_handshakes", &[], 0.0);
    }
}

#[test]
fn after_reloads_revocations_kicks_and_resets_in_any_order_nothing_stays_behind_and_who_stays_still_chats() {
    let mut dice = Dice::of_today();
    let rounds = if is_long() { 1000 } else { 100 };
    let mut soak = Soak::begin();
    soak.calm();
    let before = held(&soak.gateway);
    for _ in 0..rounds / 10 {
        soak.round(&mut dice);
    }
    soak.calm();
    let resident = soak.gateway.resident_bytes();
    for _ in rounds / 10..rounds {
        soak.round(&mut dice);
    }
    soak.calm();
    soak.chat(&mut dice);

    // A thread that reads files for a reload waits ten seconds for another one before it goes.
    wait_for(&format!("files and threads as before, {before:?}"), || held(&soak.gateway) == before);
    let grown = soak.gateway.resident_bytes().saturating_sub(resident);
    eprintln!("{rounds} rounds, {} guests, {} reloads, {grown} B more", soak.entered, soak.reloads);
    assert!(grown < GROWTH_MAX, "{grown} B more than {resident}");
    // That the gateway looks at its files just when one of a pair is written is no fault of its own.
    let is_fault = |line: &String| line.contains("\"level\":\"error\"") && !line.contains("reload_failed");
    let faults: Vec<String> = soak.gateway.log.lines().into_iter().filter(is_fault).collect();
    assert_eq!(faults, Vec::<String>::new());
    soak.chat(&mut dice);
}
