//! Owns the text of the configuration that `dev` writes, and how it follows `--listen`.
//! Never knows which keys a gateway takes beyond those that are written here.

use std::net::SocketAddr;

/// The configuration for an address.
pub(super) fn fresh(listen: SocketAddr) -> String {
    format!(
        r#"# Written by `portcullis dev`, for development on this machine only.
# Change what you like: an existing file is kept. Only the lines that end in
# "{MARK}" are written anew at each start; take that comment away
# to keep a line as you wrote it.

[server]
{listen_line}
hosts = ["localhost", "127.0.0.1", "[::1]"]

[tls]
certificate = "server.pem"
private_key = "server.key"

[origins]
{allow_line}

[auth]
credentials = ["header", "subprotocol"]
signing_key = "jwt-private.pem"

[[auth.issuer]]
issuer = "https://portcullis.localhost"
audience = "portcullis-dev"
algorithms = ["ES256"]

[[auth.issuer.key]]
file = "jwt-public.pem"
kid = "dev"
algorithm = "ES256"

[[route]]
path = "/chat/{{room}}"
kind = "broadcast"
protocol = "raw"

[internal]
listen = "unix:internal.sock"
"#,
        listen_line = listen_line(listen),
        allow_line = allow_line(listen),
    )
}

/// The same text for another address: the marked lines change, all others stay as they are.
pub(super) fn moved(text: &str, listen: SocketAddr) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
            let fresh = match body.trim_end().strip_suffix(MARK).and_then(|b| b.split_once('=')) {
                Some((key, _)) if key.trim() == "listen" => listen_line(listen),
                Some((key, _)) if key.trim() == "allow" => allow_line(listen),
                _ => body.to_owned(),
            };
            fresh + end
        })
        .collect()
}

/// Whether the text still listens on this address alone and allows its origin. A text
/// that is not TOML fits: the gateway's own reading tells what is wrong with it, and where.
pub(super) fn fits(text: &str, listen: SocketAddr) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return true };
    let strings = |section: &str, key: &str| -> Vec<&str> {
        let array = table.get(section).and_then(|s| s.get(key)).and_then(toml::Value::as_array);
        array.map(|items| items.iter().filter_map(toml::Value::as_str).collect()).unwrap_or_default()
    };
    strings("server", "listen") == [listen.to_string()]
        && strings("origins", "allow").contains(&origin(listen.port()).as_str())
}

/// The origin of the chat page.
pub(super) fn origin(port: u16) -> String {
    // The serialization of an origin leaves the scheme's own port out (RFC 6454 section 6.2).
    if port == 443 { "https://localhost".to_owned() } else { format!("https://localhost:{port}") }
}

/// What marks a line that follows `--listen`.
const MARK: &str = "# follows --listen";

fn listen_line(listen: SocketAddr) -> String {
    format!("listen = [\"{listen}\"]  {MARK}")
}

fn allow_line(listen: SocketAddr) -> String {
    format!("allow = [\"{}\"]  {MARK}", origin(listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn the_fresh_text_is_toml_with_the_documented_values() {
        let table: toml::Table = fresh(at("127.0.0.1:8443")).parse().expect("TOML");
        assert_eq!(table["server"]["listen"].to_string(), r#"["127.0.0.1:8443"]"#);
        assert_eq!(table["server"]["hosts"].to_string(), r#"["localhost", "127.0.0.1", "[::1]"]"#);
        assert_eq!(table["origins"]["allow"].to_string(), r#"["https://localhost:8443"]"#);
        assert_eq!(table["auth"]["credentials"].to_string(), r#"["header", "subprotocol"]"#);
        let routes = table["route"].as_array().expect("routes");
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0]["path"].as_str(), Some("/chat/{room}"));
        assert_eq!(routes[0].get("echo"), None);
        assert_eq!(table["internal"]["listen"].as_str(), Some("unix:internal.sock"));
    }

    #[test]
    fn an_untouched_text_moves_to_any_address_as_if_written_for_it() {
        for (from, to) in [("127.0.0.1:8443", "127.0.0.1:9000"), ("127.0.0.1:1", "[::1]:443")] {
            assert!(!fits(&fresh(at(from)), at(to)));
            let moved = moved(&fresh(at(from)), at(to));
            assert_eq!(moved, fresh(at(to)));
            assert!(fits(&moved, at(to)));
        }
    }

    #[test]
    fn an_edited_text_moves_and_keeps_its_edits() {
        let edited = fresh(at("127.0.0.1:8443"))
            .replace("protocol = \"raw\"", "protocol = \"raw\"\necho = true # mine");
        let moved = moved(&edited, at("127.0.0.1:9000"));
        assert!(moved.contains("echo = true # mine"));
        assert!(fits(&moved, at("127.0.0.1:9000")));
    }

    #[test]
    fn a_line_that_was_taken_over_is_kept_and_told_when_it_does_not_fit() {
        let own = fresh(at("127.0.0.1:8443")).replacen(&format!("  {MARK}"), "", 1);
        assert_eq!(moved(&own, at("127.0.0.1:8443")), own);
        assert!(fits(&own, at("127.0.0.1:8443")));
        assert!(!fits(&moved(&own, at("127.0.0.1:9000")), at("127.0.0.1:9000")));
    }

    #[test]
    fn more_origins_may_be_allowed_but_the_page_must_be_one() {
        let text =
            |allow: &str| format!("[server]\nlisten = [\"127.0.0.1:1\"]\n[origins]\nallow = {allow}\n");
        assert!(fits(&text(r#"["https://a.example", "https://localhost:1"]"#), at("127.0.0.1:1")));
        assert!(!fits(&text(r#"["https://a.example"]"#), at("127.0.0.1:1")));
    }

    #[test]
    fn the_default_port_is_left_out_of_an_origin() {
        assert_eq!(origin(443), "https://localhost");
        assert_eq!(origin(8443), "https://localhost:8443");
    }
}
