//! Owns the chat page as it is served: the tokens put in, and the policy that its own code alone may run.
//! Never knows what the page does.

use super::config_text::origin;
use super::tokens::DemoTokens;
use crate::gateway::DemoPage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The page for a port, with these tokens in it.
pub(super) fn build(port: u16, tokens: &DemoTokens) -> DemoPage {
    let origin = origin(port);
    let html = HTML.replacen(DATA_PLACE, &data(&Data { origin: &origin, tokens }), 1);
    let policy = policy(&origin);
    DemoPage { html: html.into(), content_security_policy: policy }
}

/// What the page's code reads from its data block.
#[derive(Serialize)]
struct Data<'a> {
    origin: &'a str,
    tokens: &'a DemoTokens,
}

/// JSON that cannot end the element it stands in. A data block is not executed, so the
/// policy needs no hash for it (HTML section 4.12.1) and the code's own stays the same.
fn data(data: &Data<'_>) -> String {
    serde_json::to_string(data).unwrap_or_default().replace('<', "\\u003c")
}

/// Nothing may be loaded, run or sent anywhere but what is named here: this page's one style
/// sheet and script, by hash, and connections to its own gateway.
fn policy(origin: &str) -> String {
    let socket = origin.replacen("https", "wss", 1);
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src {origin} {socket} 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        source(between(HTML, "<script>", "</script>")),
        source(between(HTML, "<style>", "</style>")),
    )
}

/// A hash source (CSP Level 3 section 2.3.1).
fn source(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    format!("'sha256-{}'", STANDARD.encode(digest))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let after = text.split_once(start).map_or("", |(_, after)| after);
    after.split_once(end).map_or("", |(inside, _)| inside)
}

const HTML: &str = include_str!("../page/chat.html");
const DATA_PLACE: &str = "{\"data\":\"is put here\"}";

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn page() -> (String, String) {
        let page = build(8443, &tokens::for_test());
        (String::from_utf8(page.html.to_vec()).expect("UTF-8"), page.content_security_policy)
    }

    #[test]
    fn a_hash_source_is_base64_of_sha_256() {
        // FIPS 180-2 appendix B.1: SHA-256 of "abc".
        assert_eq!(source("abc"), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
    }

    #[test]
    fn the_policy_names_exactly_the_code_and_style_that_are_served() {
        let (html, policy) = page();
        let (mut found, mut rest) = (0, html.as_str());
        while let Some((_, after)) = rest.split_once("<script") {
            let (attributes, after) = after.split_once('>').expect("a tag");
            let (inside, after) = after.split_once("</script>").expect("its end");
            if attributes.is_empty() {
                assert!(!inside.trim().is_empty() && policy.contains(&source(inside)));
                found += 1;
            } else {
                assert_eq!(attributes, " type=\"application/json\" id=\"data\"");
            }
            rest = after;
        }
        assert_eq!(found, 1);
        assert_eq!(html.matches("<style").count(), 1);
        assert!(policy.contains(&source(between(&html, "<style>", "</style>"))));
        assert_eq!(policy.matches("'sha256-").count(), 2);
    }

    #[test]
    fn the_policy_leaves_nothing_open() {
        let (_, policy) = page();
        assert!(policy.starts_with("default-src 'none'; "));
        for part in [
            "connect-src https://localhost:8443 wss://localhost:8443 'self';",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part}");
        }
        for open in ["unsafe", "*", "http:", " https:;", "blob:"] {
            assert!(!policy.contains(open), "{open}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_has_no_code_in_attributes() {
        let (html, _) = page();
        for way in [
            "src=",
            "@import",
            "url(",
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            " style=",
            "javascript:",
        ] {
            assert!(!html.contains(way), "{way}");
        }
        let handlers: Vec<_> =
            html.split_whitespace().filter(|word| word.starts_with("on") && word.contains("=\"")).collect();
        assert!(handlers.is_empty(), "{handlers:?}");
    }

    #[test]
    fn tokens_reach_the_page_and_cannot_break_out_of_their_block() {
        let (html, _) = page();
        let block = between(&html, "<script type=\"application/json\" id=\"data\">", "</script>");
        let data: serde_json::Value = serde_json::from_str(block).expect("JSON");
        assert_eq!(data["origin"], "https://localhost:8443");
        assert_eq!(data["tokens"]["alice"]["every_room"], "alice.good.</script>");
        assert_eq!(data["tokens"]["bob"]["expired"], "bob.expired.s");
        assert!(!html.contains(DATA_PLACE));
    }

    #[test]
    fn what_browser_tests_hold_on_to_is_there_once() {
        let (html, _) = page();
        for id in ["user", "room", "connect", "disconnect", "status", "log", "message", "send"] {
            assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
    }
}
