//! Owns the stories of a log that nobody takes: a full disk, a pipe that nobody reads.
//! Never knows what is in it.

use crate::support::{Gateway, ORIGIN, Setup, Ws, wait_for};

const REFUSALS: usize = 40;
/// A reload tells 256 changes, and this many reloads are more lines than wait for a reader.
const RELOADS_MAX: usize = 100;

/// The gateway with its stderr led to what a shell makes of these words, `$0` being `place`.
fn logging_to(setup: Setup, redirection: &str, place: &str) -> Gateway {
    let script = format!("exec \"$@\" {redirection}");
    setup.starter(&["bash", "-c", &script, place]).start()
}

fn lost(gateway: &Gateway) -> f64 {
    gateway.metric("portcullis_log_lines_dropped_total", &[])
}

fn chat(alice: &mut Ws, bob: &mut Ws) {
    alice.text("we go on");
    bob.expect_text("we go on");
}

fn refuse_some(gateway: &Gateway) {
    for _ in 0..REFUSALS {
        assert_eq!(gateway.ask(&gateway.handshake().target("/nothing")).status, 404);
    }
}

fn ends(mut gateway: Gateway, mut alice: Ws) {
    gateway.sigterm();
    alice.expect_close(1001, "drain");
    drop(alice);
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn on_a_full_disk_each_line_is_lost_and_counted_and_the_gateway_goes_on() {
    let gateway = logging_to(Setup::new(), "2>\"$0\"", "/dev/full");
    let (mut alice, mut bob) = (gateway.join("lobby", "alice"), gateway.join("lobby", "bob"));
    let before = lost(&gateway);
    assert!(before >= 2.0, "two sessions have begun: {before}");
    refuse_some(&gateway);
    wait_for("each refusal is a line that is lost", || lost(&gateway) >= before + REFUSALS as f64);
    chat(&mut alice, &mut bob);
    bob.leave();
    ends(gateway, alice);
}

#[test]
fn a_log_that_nobody_reads_stops_nobody_and_what_it_has_no_room_for_is_counted() {
    let setup = Setup::new();
    let pipe = setup.dir.path().join("log.pipe");
    let place = pipe.to_str().expect("a path");
    rustix::fs::mknodat(rustix::fs::CWD, place, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    // Open for both, the pipe has a reader that never reads.
    let mut gateway = logging_to(setup, "2<>\"$0\"", place);
    let (mut alice, mut bob) = (gateway.join("lobby", "alice"), gateway.join("lobby", "bob"));
    let mut reloads = 0;
    while lost(&gateway) < 1.0 {
        assert!(reloads < RELOADS_MAX, "the lines that wait have no bound");
        reloads += 1;
        let origins: Vec<String> =
            (0..200).map(|index| format!("'https://o{index}-{}.example'", reloads % 2)).collect();
        gateway.setup.lay_over(&format!("origins.allow = ['{ORIGIN}', {}]", origins.join(", ")));
        gateway.setup.write();
        assert_eq!(gateway.internal().ask("POST", "/admin/reload", &[], "").status, 200);
        chat(&mut alice, &mut bob);
    }
    refuse_some(&gateway);
    let told = lost(&gateway);
    assert!(told >= REFUSALS as f64, "each line is lost now: {told}");
    chat(&mut alice, &mut bob);
    bob.leave();
    ends(gateway, alice);
}
