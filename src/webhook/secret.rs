//! Owns the secrets that requests are signed with, and the signature.
//! Never knows where a request goes.

use crate::secret::Secret;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// One secret: `whsec_` and the base64 of 24 to 64 octets.
pub struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    /// Takes the content of a file; `None` for anything else.
    #[must_use]
    pub fn parse(file: &Secret) -> Option<WebhookSecret> {
        let encoded = file.expose().trim_ascii().strip_prefix(b"whsec_")?;
        let octets = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&octets.len());
        fits.then(|| WebhookSecret(hmac::Key::new(hmac::HMAC_SHA256, &octets)))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// The secret in force, and the one before it while receivers change over.
#[derive(Debug)]
pub struct Secrets {
    /// The one that stays.
    pub current: WebhookSecret,
    /// The one that goes.
    pub previous: Option<WebhookSecret>,
}

impl Secrets {
    /// The value of `webhook-signature`: one signature by each secret, the current one first.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let all = std::iter::once(&self.current).chain(&self.previous);
        let signatures = all.map(|WebhookSecret(key)| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// What Standard Webhooks recommends.
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Option<WebhookSecret> {
        WebhookSecret::parse(&Secret::new(text.as_bytes().to_vec()))
    }

    /// The example of the Standard Webhooks specification.
    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        let secrets = Secrets { current: secret(EXAMPLE).expect("a secret"), previous: None };
        let signature =
            secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_side_by_side_the_current_one_first() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let alone = |text| Secrets { current: secret(text).expect("a secret"), previous: None };
        let both = Secrets { previous: secret(EXAMPLE), ..alone(&other) };
        let expected =
            format!("{} {}", alone(&other).sign("msg_1", 1, b"{}"), alone(EXAMPLE).sign("msg_1", 1, b"{}"));
        assert_eq!(both.sign("msg_1", 1, b"{}"), expected);
    }

    #[test]
    fn a_secret_has_its_prefix_and_24_to_64_octets() {
        let of = |octets: usize| format!("whsec_{}\n", STANDARD.encode(vec![1; octets]));
        for (octets, good) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(secret(&of(octets)).is_some(), good, "{octets}");
        }
        for bad in
            ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!", "whsk_MfKQ9r8GKYqrTwjUPD8I"]
        {
            assert!(secret(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{:?}", secret(EXAMPLE)), "Some(WebhookSecret(..))");
    }
}
