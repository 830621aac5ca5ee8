//! Owns a backend that takes webhooks: what came, whether it was signed rightly, what is answered.
//! Never knows what should come: the test says it.

use super::{PATIENCE, Web};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// 32 octets: what `[events]` and `[authorize]` of a test are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_cHN0LXN3b3JkZmlzaC1pcy1hLXNlY3JldC1vZi0zMg==";

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Hooked {
    pub(crate) id: String,
    pub(crate) timestamp: u64,
    pub(crate) signature: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

impl Hooked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// The events in it, in their order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.json()["data"]["events"].as_array().expect("events").clone()
    }

    /// Whether one of its signatures is that of a secret.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed = [format!("{}.{}.", self.id, self.timestamp).as_bytes(), &self.body].concat();
        let expected = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)));
        self.signature.split(' ').any(|signature| signature == expected)
    }
}

/// What a backend answers: a status and a body.
pub(crate) type Reply = (u16, String);

/// A backend that keeps every request it gets.
pub(crate) struct Receiver {
    pub(crate) web: Web,
    came: Arc<Mutex<Vec<Hooked>>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Receiver {
        Receiver::on(Web::http())
    }

    pub(crate) fn on(web: Web) -> Receiver {
        let receiver = Receiver { web, came: Arc::default() };
        receiver.reply(|_, _| (204, String::new()));
        receiver
    }

    /// What is answered from now on, by the request and by how many came before it.
    pub(crate) fn reply(&self, reply: impl Fn(&Hooked, usize) -> Reply + Send + Sync + 'static) {
        let came = Arc::clone(&self.came);
        self.web.act(move |head, peer| {
            let field = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                line.unwrap_or_default().to_owned()
            };
            let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
            if peer.read_exact(&mut body).is_err() {
                return;
            }
            let hooked = Hooked {
                id: field("webhook-id"),
                timestamp: field("webhook-timestamp").parse().unwrap_or(0),
                signature: field("webhook-signature"),
                target: head.split(' ').nth(1).unwrap_or_default().to_owned(),
                body,
            };
            let before = {
                let mut came = came.lock().expect("no panic");
                came.push(hooked.clone());
                came.len() - 1
            };
            let (status, body) = reply(&hooked, before);
            let answer =
                format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let answer = if status == 204 { "HTTP/1.1 204 No Content\r\n\r\n".to_owned() } else { answer };
            let _ = peer.write_all(answer.as_bytes()).and_then(|()| peer.flush());
        });
    }

    /// All requests so far.
    pub(crate) fn came(&self) -> Vec<Hooked> {
        self.came.lock().expect("no panic").clone()
    }

    /// The events of all requests so far, those that came again only once.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut seen = std::collections::HashSet::new();
        let mut events = Vec::new();
        for hooked in self.came() {
            if seen.insert(hooked.id.clone()) {
                events.extend(hooked.events());
            }
        }
        events
    }

    /// Waits until something is so.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Receiver) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: not in time: {:?}", self.came());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Waits until so many events have come, and tells them.
    pub(crate) fn wait_events(&self, count: usize) -> Vec<Value> {
        self.wait(&format!("{count} events"), |receiver| receiver.events().len() >= count);
        self.events()
    }

    /// The TOML of a hook that leads here.
    pub(crate) fn toml(&self, section: &str) -> String {
        format!(
            "[{section}]\nurl = 'http://127.0.0.1:{}/hook?of=pst-swordfish'\nsecret_file = 'webhook.secret'\n",
            self.web.port()
        )
    }
}
