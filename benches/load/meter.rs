//! Owns what the kernel says that a process uses: processor time and memory.
//! Never knows which process it is.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Looks at one process through `/proc`.
pub(crate) struct Meter {
    folder: PathBuf,
}

/// The processor time of two processes at a moment.
pub(crate) struct Reading {
    at: Instant,
    server: Duration,
    load: Duration,
}

/// What lies between two readings.
pub(crate) struct Usage {
    /// On the clock of the wall.
    pub(crate) elapsed: Duration,
    /// Processor time of the server.
    pub(crate) server: Duration,
    /// Processor time of this process.
    pub(crate) load: Duration,
}

impl Meter {
    pub(crate) fn of(pid: u32) -> Meter {
        Meter { folder: PathBuf::from(format!("/proc/{pid}")) }
    }

    /// The times of the server, which this meter looks at, and of this process.
    pub(crate) fn read(&self) -> io::Result<Reading> {
        let own = Meter { folder: PathBuf::from("/proc/self") };
        Ok(Reading { server: self.processor_time()?, load: own.processor_time()?, at: Instant::now() })
    }

    /// What has been used since.
    pub(crate) fn since(&self, before: &Reading) -> io::Result<Usage> {
        let now = self.read()?;
        Ok(Usage {
            elapsed: now.at - before.at,
            server: now.server.saturating_sub(before.server),
            load: now.load.saturating_sub(before.load),
        })
    }

    /// Resident memory in octets: user memory alone, no socket buffers.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.folder.join("smaps_rollup"))?;
        let kib = text.lines().find_map(|line| line.strip_prefix("Rss:")?.split_whitespace().next());
        let kib: u64 = kib.and_then(|kib| kib.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(kib * 1024)
    }

    /// User and system time of all threads that live, in nanoseconds. `stat` would have it in
    /// hundredths of a second.
    fn processor_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0_u64;
        for thread in fs::read_dir(self.folder.join("task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let running = text.split_whitespace().next().and_then(|running| running.parse::<u64>().ok());
            nanoseconds += running.ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}
