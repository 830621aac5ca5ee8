//! Owns the story of what a service manager is told of a gateway's life.
//! Never knows systemd.

use crate::support::{Gateway, PATIENCE, Setup};
use std::os::unix::net::UnixDatagram;

#[test]
fn the_service_manager_is_told_of_start_life_reload_and_stop() {
    let setup = Setup::new();
    let path = setup.dir.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let told = || {
        let mut octets = [0; 256];
        let length = manager.recv(&mut octets).expect("a state in time");
        String::from_utf8(octets[..length].to_vec()).expect("text")
    };
    let next = || loop {
        let state = told();
        if state != "WATCHDOG=1\n" {
            return state;
        }
    };
    let setup = setup.env("NOTIFY_SOCKET", path.to_str().expect("a path")).env("WATCHDOG_USEC", "20000");
    let mut gateway = Gateway::spawn(setup);
    assert_eq!(next(), "READY=1\n");
    gateway.wait_until("ready means that it answers", |gateway| {
        gateway.internal().try_get("/readyz").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(told(), "WATCHDOG=1\n");
    gateway.sighup();
    let reloading = next();
    let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a reload");
    assert!(micros.trim_end().parse::<u64>().is_ok_and(|micros| micros > 0), "{reloading}");
    assert_eq!(next(), "READY=1\n");
    gateway.sigterm();
    assert_eq!(next(), "STOPPING=1\n");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}
