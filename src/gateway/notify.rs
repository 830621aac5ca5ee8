//! Owns what the service manager is told (`sd_notify(3)`), where one listens.
//! Never knows why the gateway starts, reloads or stops.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager; nothing is told where there is none.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The one that the environment names. To be called before the process gives up connecting.
    pub(super) fn of_this_process() -> Notifier {
        // The first reading looks for the clock in /proc, where the process will not see it any more.
        let _ = clock_gettime(ClockId::Monotonic);
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connected(&name).ok());
        let variable = |name| std::env::var(name).ok();
        let watchdog =
            alive_interval(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id());
        Notifier { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// Whether there is one that listens.
    pub(super) fn is_told(&self) -> bool {
        self.socket.is_some()
    }

    /// Everything is bound and served, for the first time or again.
    pub(super) fn ready(&self) {
        self.tell("READY=1\n");
    }

    /// A reload begins.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// A drain begins.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    /// Says for ever that this runtime gets to run, as often as the service manager wants it.
    pub(super) async fn keep_alive(&self) {
        let Some(interval) = self.watchdog else { return };
        let mut ticks = tokio::time::interval(interval);
        loop {
            ticks.tick().await;
            self.tell("WATCHDOG=1\n");
        }
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // A service manager that does not listen is no reason to stop serving.
            let _ = socket.send(state.as_bytes());
        }
    }
}

fn connected(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    Ok(socket)
}

/// Half of what the service manager waits for, if it is us that it waits for.
fn alive_interval(micros: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    let is_for_us = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let micros = micros?.parse().ok().filter(|micros| is_for_us && *micros > 1)?;
    Some(Duration::from_micros(micros) / 2)
}

const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_told_at_half_of_its_time_if_it_is_ours() {
        let interval = |micros: &str, pid: Option<&str>| {
            alive_interval(Some(micros.to_owned()), pid.map(str::to_owned), 7)
        };
        let ten = Some(Duration::from_secs(10));
        assert_eq!(interval("20000000", None), ten);
        assert_eq!(interval("20000000", Some("7")), ten);
        for (micros, pid) in
            [("20000000", Some("8")), ("20000000", Some("x")), ("0", None), ("-1", None), ("", None)]
        {
            assert_eq!(interval(micros, pid), None, "{micros} {pid:?}");
        }
        assert_eq!(alive_interval(None, None, 7), None);
    }

    #[test]
    fn a_socket_is_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).expect("a socket");
        let name = format!("portcullis-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let by_name = UnixDatagram::bind_addr(&address).expect("a socket");
        for (listener, name) in [(by_path, path.into_os_string()), (by_name, format!("@{name}").into())] {
            let socket = connected(&name).expect("a connection");
            Notifier { socket: Some(socket), watchdog: None }.ready();
            let mut octets = [0; 64];
            let length = listener.recv(&mut octets).expect("a datagram");
            assert_eq!(octets.get(..length), Some(&b"READY=1\n"[..]));
        }
        assert!(connected(OsStr::new("vsock:2:1234")).is_err());
    }
}
