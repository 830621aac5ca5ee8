//! Owns an issuer of a test that publishes its keys by HTTPS, and a gateway that fetches them.
//! Never knows what the gateway makes of them.

use super::pki::Ca;
use super::web::{Web, with_status};
use super::{Alg, Gateway, Handshake, ISSUER, ORIGIN, Setup, SigningKey, Token};
use serde_json::json;

/// Keys, and where they are published.
pub(crate) struct Publisher {
    pub(crate) web: Web,
}

impl Publisher {
    /// Nothing is published yet.
    pub(crate) fn new(ca: &Ca) -> Publisher {
        let web = Web::https(ca, &["localhost", "127.0.0.1"]);
        web.answer(with_status("404 Not Found", &[], ""));
        Publisher { web }
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        self.web.answer(with_status("200 OK", &[("Content-Type", "text/plain")], &jwks(keys)));
    }

    /// Publishes these keys with an entity tag, and tells whoever has them so.
    pub(crate) fn publish_tagged(&self, keys: &[&SigningKey], tag: &str) {
        let whole = with_status("200 OK", &[("ETag", tag)], &jwks(keys));
        let unchanged = format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n").into_bytes();
        let asked = format!("if-none-match: {tag}\r\n");
        self.web.act(move |head, peer| {
            let answer = if head.contains(&asked) { &unchanged } else { &whole };
            let _ = peer.write_all(answer).and_then(|()| peer.flush());
        });
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/jwks.json", self.web.port())
    }

    /// A configuration whose one issuer publishes here, with further keys of its table.
    pub(crate) fn configured(&self, setup: Setup, further: &str) -> Setup {
        let url = self.url("localhost");
        setup.toml(&format!("auth.issuer = [{}]", issuer_toml(ISSUER, &url, further)))
    }
}

/// The table of an issuer that publishes its keys.
pub(crate) fn issuer_toml(name: &str, url: &str, further: &str) -> String {
    format!(
        "{{ issuer = '{name}', audience = 'chat', algorithms = ['ES256', 'EdDSA'], jwks_url = '{url}', \
         jwks_roots = 'ca.pem'{further} }}"
    )
}

/// A JWK Set with these keys.
pub(crate) fn jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) fn key(kid: &str) -> SigningKey {
    SigningKey::with_kid(Alg::Es256, kid)
}

/// A gateway that accepts, whether it has keys or not.
pub(crate) fn listening(setup: Setup) -> Gateway {
    let gateway = Gateway::spawn(setup);
    gateway.log.event("the start", |line| line["event"] == "started");
    gateway
}

/// A good request by a subject with a token that this key signed.
pub(crate) fn by(gateway: &Gateway, subject: &str, key: &SigningKey) -> Handshake {
    Handshake::good(&gateway.place().host, "/chat/lobby", ORIGIN, &Token::of(subject).sign(key))
}
