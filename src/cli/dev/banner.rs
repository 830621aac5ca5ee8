//! Owns what `dev` prints on stdout when the gateway is ready.
//! Never knows whether anybody reads it.

use super::config_text::origin;
use super::folder::{Folder, Made};
use super::tokens::DemoTokens;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// What the banner tells.
pub(super) struct Facts<'a> {
    pub(super) listen: SocketAddr,
    pub(super) folder: &'a Folder,
    pub(super) tokens: &'a DemoTokens,
}

/// The banner, ready to be written.
pub(super) fn text(facts: &Facts<'_>) -> String {
    let Facts { listen, folder, tokens } = facts;
    let origin = origin(listen.port());
    let socket = origin.replacen("https", "wss", 1);
    let authority = folder.authority();
    let mut out = String::new();
    // INVARIANT: writing to a String does not fail.
    let _ = write!(
        out,
        "\
Portcullis is up, for development on this machine only. Ctrl-C ends it.

Chat page: {origin}/
  Open it in two windows, one as alice and one as bob.
  The browser warns until it trusts {authority}.
  {made}
{reach}
Tokens for every room, good for {hours} hours:
  alice  {alice}
  bob    {bob}
  More: portcullis token --config {config} --sub carol --subscribe '*' --publish '*'

Paste this to enter the room \"lobby\" as alice:
  npx wscat@6 --ca {ca} -o {origin} -H 'Authorization: Bearer {alice}' -c {socket}/chat/lobby

",
        authority = authority.display(),
        made = made(folder.made()),
        reach = reach(*listen),
        hours = tokens.lifetime().as_secs() / 3600,
        alice = tokens.alice.every_room,
        bob = tokens.bob.every_room,
        config = quoted(&folder.config()),
        ca = quoted(&authority),
    );
    out
}

fn made(made: Made) -> &'static str {
    match made {
        Made::Everything => {
            "It was made just now, vouches for localhost only, and its private key was not kept."
        }
        Made::Certificates => {
            "The old one was about to end, so it was made anew just now; trust it again where you had."
        }
        Made::Nothing => {
            "It was made by an earlier start, vouches for localhost only, and its private key was not kept."
        }
    }
}

/// The page gives two people's tokens away, so it must not be in everybody's reach.
fn reach(listen: SocketAddr) -> String {
    if listen.ip().to_canonical().is_loopback() {
        return String::new();
    }
    format!(
        "\nWARNING: {listen} can be reached from other machines, and the chat page gives both tokens\n\
         to whoever asks for it. Leave --listen out to serve this machine alone.\n"
    )
}

/// A path that a shell takes as one word.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,%".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;
    use std::time::SystemTime;

    fn banner(listen: &str, dir: &str) -> String {
        let root = tempfile::TempDir::new().expect("a folder");
        let listen = listen.parse().expect("an address");
        let folder = Folder::open(&root.path().join(dir), listen, SystemTime::now()).expect("a folder");
        text(&Facts { listen, folder: &folder, tokens: &tokens::for_test() })
    }

    #[test]
    fn the_banner_has_the_url_both_tokens_and_a_whole_line_to_paste() {
        let banner = banner("127.0.0.1:8443", ".portcullis");
        for part in [
            "Chat page: https://localhost:8443/\n",
            "  alice  alice.good.",
            "  bob    bob.good.",
            "/.portcullis/ca.pem -o https://localhost:8443 -H 'Authorization: Bearer alice.good.",
            " -c wss://localhost:8443/chat/lobby\n",
        ] {
            assert!(banner.contains(part), "{part} is not in\n{banner}");
        }
        assert!(!banner.contains("WARNING"));
    }

    #[test]
    fn an_address_in_the_reach_of_others_is_warned_of() {
        assert!(banner("0.0.0.0:8443", "d").contains("WARNING: 0.0.0.0:8443"));
        assert!(!banner("[::1]:8443", "d").contains("WARNING"));
    }

    #[test]
    fn a_path_is_one_word_to_a_shell() {
        assert_eq!(quoted(Path::new("/a/b-c.pem")), "/a/b-c.pem");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
        assert!(banner("127.0.0.1:1", "a b").contains("a b/ca.pem' -o"));
    }
}
