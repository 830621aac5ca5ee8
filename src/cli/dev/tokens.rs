//! Owns which tokens `dev` gives away: two people's, and those with which the page shows refusals.
//! Never knows how a token is made.

use crate::cli::Stop;
use crate::cli::token::{Grants, Signer, Validity};
use crate::room::RoomPattern;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The tokens of the two people of the chat page. Not `Debug`: they are credentials.
#[derive(Serialize)]
pub(super) struct DemoTokens {
    pub(super) alice: Person,
    pub(super) bob: Person,
    #[serde(skip)]
    lifetime: Duration,
}

/// One person's tokens.
#[derive(Serialize)]
pub(super) struct Person {
    /// Opens every room, to enter and to write.
    pub(super) every_room: String,
    /// Would open every room, had it not ended an hour ago.
    expired: String,
    /// Opens only rooms with a prefix that nobody types.
    other_room: String,
}

impl DemoTokens {
    /// Mints them with the configuration's own key.
    pub(super) fn mint(config: &Path, now: SystemTime) -> Result<DemoTokens, Stop> {
        let signer = Signer::open(config)?;
        let lifetime = LIFETIME.min(signer.max_lifetime());
        let person = |name| Person::mint(&signer, name, now, lifetime);
        Ok(DemoTokens { alice: person("alice")?, bob: person("bob")?, lifetime })
    }

    /// How long they are good from the start of the gateway.
    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl Person {
    fn mint(signer: &Signer, name: &str, now: SystemTime, lifetime: Duration) -> Result<Person, Stop> {
        let (every, other) = ([RoomPattern::Prefix("".into())], [RoomPattern::Prefix(OTHER_ROOMS.into())]);
        let every = Grants { subscribe: &every, publish: &every };
        let other = Grants { subscribe: &other, publish: &other };
        let current = Validity::from_now(now, lifetime);
        let past = Validity::from_now(now.checked_sub(2 * AGO).unwrap_or(now), AGO);
        Ok(Person {
            every_room: signer.mint(name, &every, current, None)?,
            expired: signer.mint(name, &every, past, None)?,
            other_room: signer.mint(name, &other, current, None)?,
        })
    }
}

const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
const AGO: Duration = Duration::from_secs(60 * 60);
const OTHER_ROOMS: &str = "only-here:";

#[cfg(test)]
pub(super) fn for_test() -> DemoTokens {
    let person = |name: &str| Person {
        every_room: format!("{name}.good.</script>"),
        expired: format!("{name}.expired.s"),
        other_room: format!("{name}.other.s"),
    };
    DemoTokens { alice: person("alice"), bob: person("bob"), lifetime: LIFETIME }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::TokenArgs;
    use crate::cli::dev::folder::Folder;
    use crate::cli::token;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use std::time::UNIX_EPOCH;
    use tempfile::TempDir;

    fn made(root: &TempDir) -> Folder {
        let listen = "127.0.0.1:8443".parse().expect("an address");
        Folder::open(root.path(), listen, SystemTime::now()).expect("a folder")
    }

    fn claims(token: &str) -> Value {
        let payload = token.split('.').nth(1).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
    }

    fn lifetime(claims: &Value) -> u64 {
        claims["exp"].as_u64().expect("exp") - claims["iat"].as_u64().expect("iat")
    }

    #[test]
    fn two_people_get_every_room_for_12_hours_and_what_shows_refusals() {
        let root = TempDir::new().expect("a folder");
        let folder = made(&root);
        let now = SystemTime::now();
        let tokens = DemoTokens::mint(&folder.config(), now).expect("tokens");
        assert_eq!(tokens.lifetime(), LIFETIME);
        let now = now.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut identifiers = std::collections::BTreeSet::new();
        for (name, person) in [("alice", &tokens.alice), ("bob", &tokens.bob)] {
            let good = claims(&person.every_room);
            assert_eq!((&good["sub"], good["iat"].as_u64()), (&json!(name), Some(now)));
            assert_eq!(good["portcullis"], json!({ "subscribe": ["*"], "publish": ["*"] }));
            assert_eq!(lifetime(&good), 12 * 60 * 60);
            assert!(claims(&person.expired)["exp"].as_u64() < Some(now));
            assert_eq!(claims(&person.other_room)["portcullis"]["subscribe"], json!(["only-here:*"]));
            for token in [&person.every_room, &person.expired, &person.other_room] {
                identifiers.insert(claims(token)["jti"].to_string());
            }
        }
        assert_eq!(identifiers.len(), 6, "no two tokens share an identifier");
    }

    fn args(folder: &Folder, ttl: u64) -> TokenArgs {
        TokenArgs {
            config: folder.config(),
            sub: "carol".to_owned(),
            subscribe: vec![RoomPattern::parse("lobby").expect("a pattern")],
            publish: Vec::new(),
            ttl: Duration::from_secs(ttl),
            cnf_certificate: None,
        }
    }

    #[test]
    fn a_token_stands_alone_on_stdout() {
        let root = TempDir::new().expect("a folder");
        let folder = made(&root);
        let mut out = Vec::new();
        token::run(&args(&folder, 900), &mut out).expect("a token");
        let out = String::from_utf8(out).expect("UTF-8");
        let token = out.strip_suffix('\n').expect("a line");
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        let claims = claims(token);
        assert_eq!((&claims["sub"], lifetime(&claims)), (&json!("carol"), 900));
        assert_eq!(claims["portcullis"]["subscribe"], json!(["lobby"]));
    }

    #[test]
    fn a_token_that_would_outlive_the_longest_lifetime_is_not_made() {
        let root = TempDir::new().expect("a folder");
        let folder = made(&root);
        let mut out = Vec::new();
        token::run(&args(&folder, 86_400), &mut out).expect("the longest");
        out.clear();
        let stop = token::run(&args(&folder, 86_401), &mut out).expect_err("too long");
        assert!(stop.message.contains("auth.max_token_lifetime is 86400 s"), "{}", stop.message);
        assert!(out.is_empty());
    }
}
