//! Owns the backend behind the relayed twin of the tests' room: it echoes, counts, and keeps what it heard.
//! Never knows what is right to reach it.

use super::Web;
use super::backend::{serve, url};
use super::ws::Frame;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What a backend has heard of one connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The payloads of all data frames, one after the other.
    pub(crate) octets: Vec<u8>,
    /// The messages that were whole.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The payload of the Close frame.
    pub(crate) close: Option<Vec<u8>>,
}

/// A backend that echoes every whole message.
pub(crate) struct Relayed {
    web: Web,
    heard: Mutex<Receiver<Heard>>,
}

impl Relayed {
    pub(crate) fn start() -> Relayed {
        let web = Web::http();
        let (tell, heard) = channel();
        let tell = Mutex::new(tell);
        serve(&web, "", move |caller| {
            let (mut heard, mut from) = (Heard::default(), 0);
            while let Some(frame) = caller.frame() {
                match frame.opcode {
                    8 => {
                        caller.send(&Frame::new(8, &frame.payload));
                        heard.close = Some(frame.payload);
                        break;
                    }
                    9 => caller.send(&Frame::pong(frame.payload)),
                    10 => {}
                    _ => {
                        heard.octets.extend_from_slice(&frame.payload);
                        if frame.last {
                            let message = heard.octets[from..].to_vec();
                            from = heard.octets.len();
                            caller.send(&Frame::binary(&message));
                            heard.messages.push(message);
                        }
                    }
                }
            }
            // A test that has seen enough does not listen any more.
            let _ = tell.lock().expect("no panic").send(heard);
        });
        Relayed { web, heard: Mutex::new(heard) }
    }

    pub(crate) fn url(&self) -> String {
        url(&self.web)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.web.connections()
    }

    /// What was heard of the next connection that ended.
    pub(crate) fn next(&self) -> Heard {
        let heard = self.heard.lock().expect("no panic");
        heard.recv_timeout(Duration::from_secs(20)).expect("the end of a connection")
    }
}
