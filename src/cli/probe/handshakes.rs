//! Owns the attacks on the opening handshake: request head, Host, Origin, the rules of RFC 6455 section 4.2.1.
//! Never knows the answers.

use super::attack::Severity::{High, Low, Medium};
use super::attack::{Attack, Attempt, Severity};
use super::request::{Honest, KEY, Request};

/// A word that comes back only where an answer repeats what was sent.
const MARK: &str = "portcullis-probe-echo";

const SMUGGLING: &str =
    "an intermediary may see another request than the endpoint does, and one is smuggled past it";
const UNCHECKED: &str = "the endpoint does not hold a handshake to the letter, so what else answers to its port can be reached by it";
const HIJACKING: &str = "any such page can open the socket in its visitor's browser, with the visitor's cookies (cross-site hijacking)";
const REBINDING: &str =
    "a page whose name is made to resolve to this address is taken for the endpoint's own";

/// In the order in which they are tried.
pub(super) const HANDSHAKES: &[Attack] = &[
    origin("origin-foreign", "Origin: https://evil.example", |honest| {
        honest.request().set("Origin", "https://evil.example")
    }),
    origin("origin-null", "Origin: null, as a sandboxed frame sends it", |honest| {
        honest.request().set("Origin", "null")
    }),
    origin("origin-suffix", "the allowed origin with .evil.example behind it", |honest| {
        honest.request().set("Origin", &format!("{}.evil.example", without_port(&honest.origin)))
    }),
    origin("origin-prefix", "the allowed host with evil in front of it", |honest| {
        honest.request().set("Origin", &honest.origin.replacen("://", "://evil", 1))
    }),
    origin("origin-subdomain", "a subdomain of the allowed origin", |honest| {
        honest.request().set("Origin", &honest.origin.replacen("://", "://evil.", 1))
    }),
    origin("origin-scheme", "the allowed origin by another scheme", |honest| {
        honest.request().set("Origin", &honest.origin.replacen("://", "x://", 1))
    }),
    origin("origin-port", "the allowed host at another port", |honest| {
        honest.request().set("Origin", &format!("{}:1", without_port(&honest.origin)))
    }),
    origin("origin-user", "the allowed host as the user part of another", |honest| {
        honest.request().set("Origin", &format!("{}@evil.example", without_port(&honest.origin)))
    }),
    origin("origin-twice", "the allowed origin and a foreign one", |honest| {
        honest.request().add("Origin", "https://evil.example")
    }),
    Attack {
        id: "origin-missing-with-cookie",
        severity: High,
        what: "no Origin, and the token in a cookie alone",
        meaning: "a cookie is sent by whatever page asks; without an Origin nothing says which page that was",
        reference: "RFC 6455 section 4.2.1, CWE-1385",
        attempt: Attempt::WithToken(|honest, token| {
            let names = ["__Host-portcullis", "token", "access_token", "session"];
            let cookies: Vec<String> = names.iter().map(|name| format!("{name}={token}")).collect();
            let request = honest.request().remove("Origin").remove("Authorization");
            Ok(request.add("Cookie", &cookies.join("; ")))
        }),
    },
    syntax("host-missing", Medium, "no Host", "RFC 9112 section 3.2", |honest| {
        honest.request().remove("Host")
    }),
    syntax("host-twice", High, "a second Host", "RFC 9112 section 3.2, CWE-444", |honest| {
        honest.request().add("Host", "evil.example")
    }),
    Attack {
        id: "host-foreign",
        severity: High,
        what: "Host: evil.example, and its Origin",
        meaning: REBINDING,
        reference: "RFC 9110 section 7.4, CWE-350",
        attempt: Attempt::Handshake(|honest| {
            honest.request().set("Host", "evil.example").set("Origin", "https://evil.example")
        }),
    },
    Attack {
        id: "host-foreign-alone",
        severity: Medium,
        what: "Host: evil.example, and an allowed Origin",
        meaning: REBINDING,
        reference: "RFC 9110 section 7.4, CWE-350",
        attempt: Attempt::Handshake(|honest| honest.request().set("Host", "evil.example")),
    },
    smuggle(
        "target-foreign",
        High,
        "an absolute target of another host",
        "RFC 9112 section 3.2.2",
        |honest| honest.request().line(format!("GET http://evil.example{} HTTP/1.1", honest.target)),
    ),
    smuggle(
        "line-bare-lf",
        Medium,
        "lines that end in LF alone",
        "RFC 9112 section 2.2, CWE-444",
        |honest| honest.request().line_end("\n"),
    ),
    smuggle("line-folded", Medium, "a folded line", "RFC 9112 section 5.2, CWE-444", |honest| {
        honest.request().add("X-Probe", "a\r\n b")
    }),
    smuggle("line-bare-cr", Medium, "a CR within a value", "RFC 9112 section 2.2, CWE-444", |honest| {
        honest.request().add("X-Probe", "a\rX-Other: b")
    }),
    smuggle("name-space", Medium, "a space before a colon", "RFC 9112 section 5.1, CWE-444", |honest| {
        honest.request().add("X-Probe ", "a")
    }),
    smuggle("body-length", High, "a body with Content-Length", "RFC 9931, CWE-444", |honest| {
        honest.request().add("Content-Length", "5").behind(b"probe")
    }),
    smuggle("body-chunked", High, "a chunked body", "RFC 9112 section 6.1, CWE-444", |honest| {
        honest.request().add("Transfer-Encoding", "chunked").behind(b"5\r\nprobe\r\n0\r\n\r\n")
    }),
    smuggle("body-both", High, "Content-Length beside chunked", "RFC 9112 section 6.3, CWE-444", |honest| {
        let request = honest.request().add("Content-Length", "5").add("Transfer-Encoding", "chunked");
        request.behind(b"0\r\n\r\n")
    }),
    smuggle("expect", Medium, "Expect: 100-continue without a body", "RFC 9110 section 10.1.1", |honest| {
        honest.request().add("Expect", "100-continue")
    }),
    syntax("version-http-1-0", Low, "HTTP/1.0 with Upgrade", "RFC 9110 section 7.8", |honest| {
        honest.request().line(format!("GET {} HTTP/1.0", honest.target))
    }),
    syntax("method-post", Low, "POST", "RFC 6455 section 4.2.1", |honest| {
        honest.request().line(format!("POST {} HTTP/1.1", honest.target)).add("Content-Length", "0")
    }),
    syntax("upgrade-missing", Medium, "no Upgrade", "RFC 6455 section 4.2.1", |honest| {
        honest.request().remove("Upgrade")
    }),
    syntax("upgrade-other", Medium, "Upgrade: websocket, h2c", "RFC 9110 section 7.8", |honest| {
        honest.request().set("Upgrade", "websocket, h2c")
    }),
    syntax("connection-missing", Medium, "no Connection", "RFC 6455 section 4.2.1", |honest| {
        honest.request().remove("Connection")
    }),
    smuggle(
        "connection-names",
        Medium,
        "Connection: Upgrade, Origin, Host",
        "RFC 9110 section 7.6.1",
        |honest| honest.request().set("Connection", "Upgrade, Origin, Host"),
    ),
    syntax("version-missing", Low, "no Sec-WebSocket-Version", "RFC 6455 section 4.2.1", |honest| {
        honest.request().remove("Sec-WebSocket-Version")
    }),
    syntax("version-other", Low, "Sec-WebSocket-Version: 8", "RFC 6455 section 4.4", |honest| {
        honest.request().set("Sec-WebSocket-Version", "8")
    }),
    syntax("key-missing", Medium, "no Sec-WebSocket-Key", "RFC 6455 section 4.2.1", |honest| {
        honest.request().remove("Sec-WebSocket-Key")
    }),
    syntax("key-short", Low, "a key of 15 octets", "RFC 6455 section 4.2.1", |honest| {
        honest.request().set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA")
    }),
    syntax("key-twice", Low, "two keys", "RFC 6455 section 11.3.1", |honest| {
        honest.request().add("Sec-WebSocket-Key", KEY)
    }),
    syntax(
        "subprotocol-malformed",
        Low,
        "a subprotocol that is no token",
        "RFC 6455 section 4.1",
        |honest| honest.request().add("Sec-WebSocket-Protocol", "chat(v1), \"x\""),
    ),
    bulk("head-oversize", "a field of 40 KiB", |honest| {
        honest.request().add_first("X-Probe", &"a".repeat(40 << 10))
    }),
    bulk("head-lines", "500 fields", |honest| {
        (0..500).fold(honest.request(), |request, index| request.add(&format!("X-Probe-{index}"), "a"))
    }),
    bulk("target-oversize", "a query of 9 KiB", |honest| {
        let mark = if honest.target.contains('?') { '&' } else { '?' };
        honest.request().line(format!("GET {}{mark}probe={} HTTP/1.1", honest.target, "a".repeat(9 << 10)))
    }),
    Attack {
        id: "second-behind-refused",
        severity: High,
        what: "a request behind one that is refused",
        meaning: SMUGGLING,
        reference: "RFC 9112 section 9.3.2, RFC 9931, CWE-444",
        attempt: Attempt::Second(|honest| {
            let first = honest.request().set("Sec-WebSocket-Version", "14");
            first.behind(&honest.request().set("Sec-WebSocket-Version", "15").octets())
        }),
    },
    Attack {
        id: "second-behind-admitted",
        severity: High,
        what: "an HTTP request behind a good handshake",
        meaning: SMUGGLING,
        reference: "RFC 6455 section 4.1, RFC 9931, CWE-444",
        attempt: Attempt::Second(|honest| {
            let second = honest.request().remove("Upgrade").set("Connection", "close");
            honest.request().behind(&second.octets())
        }),
    },
    Attack {
        id: "echo",
        severity: Low,
        what: "a word in path, query and fields",
        meaning: "an answer that repeats what was sent lends its origin to a page that an attacker writes",
        reference: "CWE-79, CWE-116",
        attempt: Attempt::Echo(
            |honest| {
                let line = format!("GET /{MARK}?{MARK} HTTP/1.1");
                honest.request().line(line).add("X-Probe", MARK).set("Origin", &format!("https://{MARK}"))
            },
            MARK,
        ),
    },
];

const fn origin(id: &'static str, what: &'static str, change: fn(&Honest) -> Request) -> Attack {
    handshake(id, High, what, HIJACKING, "RFC 6455 section 10.2, CWE-1385", change)
}

const fn syntax(
    id: &'static str,
    severity: Severity,
    what: &'static str,
    reference: &'static str,
    change: fn(&Honest) -> Request,
) -> Attack {
    handshake(id, severity, what, UNCHECKED, reference, change)
}

const fn smuggle(
    id: &'static str,
    severity: Severity,
    what: &'static str,
    reference: &'static str,
    change: fn(&Honest) -> Request,
) -> Attack {
    handshake(id, severity, what, SMUGGLING, reference, change)
}

const fn bulk(id: &'static str, what: &'static str, change: fn(&Honest) -> Request) -> Attack {
    const MEANING: &str = "who sends little makes the endpoint hold and read much, before anything is proved";
    handshake(id, Low, what, MEANING, "RFC 9110 section 5.4, CWE-770", change)
}

const fn handshake(
    id: &'static str,
    severity: Severity,
    what: &'static str,
    meaning: &'static str,
    reference: &'static str,
    change: fn(&Honest) -> Request,
) -> Attack {
    Attack { id, severity, what, meaning, reference, attempt: Attempt::Handshake(change) }
}

/// An origin without its port.
fn without_port(origin: &str) -> &str {
    match origin.rsplit_once(':') {
        Some((rest, port)) if !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) => rest,
        Some(_) | None => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_cut_at_its_port_and_nowhere_else() {
        for (origin, rest) in [
            ("https://a.example:8443", "https://a.example"),
            ("https://a.example", "https://a.example"),
            ("https://[::1]", "https://[::1]"),
            ("https://[::1]:443", "https://[::1]"),
        ] {
            assert_eq!(without_port(origin), rest);
        }
    }
}
