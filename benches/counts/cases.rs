//! Owns the hot paths, each as so many rounds of the same work.
//! Never knows how it is counted.

use crate::Fault;
use crate::parts::{AUDIENCE, HEAD, HEAD_LIMITS, ISSUER, decode, masked_text};
use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::auth::{
    BearerToken, ClaimPaths, CredentialPolicy, Identity, Issuer, Key, Lifetimes, Required, Verifier,
};
use portcullis::broadcast::{Hub, LocalRooms, Member, Sender};
use portcullis::codec::{self, Decoder, Event, Limits, Opcode};
use portcullis::gate::{HeadProgress, UpgradeRequest, judge_head};
use portcullis::room::RoomName;
use portcullis::secret::Secret;
use portcullis::throttle::{Bucket, Rate, RateTable};
use serde_json::json;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::Request;

/// When the tokens here are good.
const NOW: u64 = 1_795_500_000;

/// One path.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Does the work so many times.
    pub(crate) run: fn(u64) -> Result<(), Fault>,
}

pub(crate) const ALL: &[Case] = &[
    Case { name: "head_judge", run: head_judge },
    Case { name: "handshake_parse", run: handshake_parse },
    Case { name: "token_verify_hs256", run: token_verify },
    Case { name: "decode_128", run: |rounds| decode_text(128, rounds) },
    Case { name: "decode_1024", run: |rounds| decode_text(1024, rounds) },
    Case { name: "decode_16384_in_pieces", run: decode_in_pieces },
    Case { name: "encode_1024", run: encode },
    Case { name: "deflate_1024", run: deflate },
    Case { name: "inflate_1024", run: inflate },
    Case { name: "turn_of_1000_members", run: turn },
    Case { name: "throttle_take", run: throttle },
];

fn head_judge(rounds: u64) -> Result<(), Fault> {
    for _ in 0..rounds {
        let judged = judge_head(black_box(HEAD.as_bytes()), &mut HeadProgress::default(), &HEAD_LIMITS);
        assert!(judged.is_ok_and(|head| head.is_some()));
    }
    Ok(())
}

fn handshake_parse(rounds: u64) -> Result<(), Fault> {
    let (_, request) = Request::try_parse(HEAD.as_bytes())?.ok_or("the head is not whole")?;
    let (parts, ()) = request.into_parts();
    for _ in 0..rounds {
        assert!(UpgradeRequest::parse(black_box(&parts)).is_ok());
    }
    Ok(())
}

/// By a shared secret: what other signatures cost is the library's, and differs from key to key.
fn token_verify(rounds: u64) -> Result<(), Fault> {
    let bearer = Bearer::new()?;
    for _ in 0..rounds {
        let _identity = black_box(&bearer).identity()?;
    }
    Ok(())
}

/// A token that grants everything, and who verifies it.
struct Bearer {
    headers: HeaderMap,
    verifier: Verifier,
}

impl Bearer {
    fn new() -> Result<Bearer, Fault> {
        let secret = b"0123456789abcdef0123456789abcdef";
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW, "exp": NOW + 3600, "jti": "4f2a",
            "portcullis": { "subscribe": ["*"], "publish": ["*"] },
        });
        let signer = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &signer)?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
        let key = Key::from_secret(&Secret::new(secret.to_vec()), None).map_err(|fault| fault.to_string())?;
        let verifier = Verifier::new(vec![Issuer {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            typ: "".into(),
            require: Required::default(),
            keys: vec![key],
            wanted: None,
            claims: ClaimPaths::default(),
        }]);
        Ok(Bearer { headers, verifier })
    }

    fn identity(&self) -> Result<Identity, Fault> {
        let policy = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
        let lifetimes =
            Lifetimes { leeway: Duration::from_secs(5), max_token_lifetime: Duration::from_secs(3600) };
        let bearer = BearerToken::find(&self.headers, None, &[], &policy);
        let bearer = bearer.map_err(|reason| format!("{reason:?}"))?;
        Ok(self.verifier.verify(&bearer, &lifetimes, NOW).map_err(|reason| format!("{reason:?}"))?)
    }
}

fn decode_text(payload_bytes: usize, rounds: u64) -> Result<(), Fault> {
    let octets = masked_text(payload_bytes);
    let (mut decoder, now, mut read) = (Decoder::default(), Instant::now(), octets.clone());
    for _ in 0..rounds {
        read.copy_from_slice(&octets);
        assert_eq!(decode(&mut decoder, now, &mut read), 1);
    }
    Ok(())
}

fn decode_in_pieces(rounds: u64) -> Result<(), Fault> {
    let octets = masked_text(16 * 1024);
    let (mut decoder, now, mut read) = (Decoder::default(), Instant::now(), octets.clone());
    for _ in 0..rounds {
        read.copy_from_slice(&octets);
        assert_eq!(read.chunks_mut(1448).map(|piece| decode(&mut decoder, now, piece)).sum::<usize>(), 1);
    }
    Ok(())
}

fn encode(rounds: u64) -> Result<(), Fault> {
    let (payload, mut out) = (vec![b'x'; 1024], Vec::with_capacity(2048));
    for _ in 0..rounds {
        out.clear();
        codec::encode(Opcode::Text, black_box(&payload), &mut out);
        black_box(out.len());
    }
    Ok(())
}

fn deflate(rounds: u64) -> Result<(), Fault> {
    let frame = plain_frame();
    for _ in 0..rounds {
        assert!(codec::deflate(black_box(&frame)).is_some());
    }
    Ok(())
}

fn inflate(rounds: u64) -> Result<(), Fault> {
    const LIMITS: Limits =
        Limits { message_bytes: 4096, message_fragments: 4, message_timeout: Duration::from_secs(10) };
    let frame = codec::deflate(&plain_frame()).ok_or("it does not get shorter")?;
    // As a peer would send it: masked, here with a key of zeros.
    let header = if frame.get(1).is_some_and(|length| *length < 126) { 2 } else { 4 };
    let (head, payload) = frame.split_at(header);
    let mut octets = head.to_vec();
    if let Some(length) = octets.get_mut(1) {
        *length |= 0x80;
    }
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(payload);
    let (mut decoder, now, mut messages) = (Decoder::inflating(), Instant::now(), 0);
    for _ in 0..rounds {
        let mut count = |event: Event<'_>| {
            messages += u64::from(matches!(event, Event::Text(_)));
            ControlFlow::Continue(())
        };
        assert_eq!(decoder.decode(&LIMITS, now, &mut octets.clone(), &mut count), Ok(()));
    }
    assert_eq!(messages, rounds);
    Ok(())
}

fn plain_frame() -> Vec<u8> {
    let mut frame = Vec::new();
    let text = "{\"type\":\"message\",\"room\":\"lobby\",\"text\":\"hello\"}".repeat(21);
    codec::encode(Opcode::Text, text.as_bytes(), &mut frame);
    frame
}

/// Four messages to a room of 1,000, one of them without an echo: what a worker does of it before
/// TLS.
fn turn(rounds: u64) -> Result<(), Fault> {
    let (hub, mut rooms) = (Hub::new(1), LocalRooms::default());
    let identity = Bearer::new()?.identity()?;
    let room = RoomName::parse("lobby").ok_or("a room")?;
    let grant = identity.grant(&room).map_err(|reason| format!("{reason:?}"))?;
    let (subscriber, publisher) = hub.join(&grant, 0);
    let (publisher, inbox) = (publisher.ok_or("a publisher")?, hub.inbox(0).ok_or("an inbox")?);
    for key in 0..1000 {
        rooms.join(subscriber.room(), Member(key));
    }
    let frame = Bytes::from(vec![b'x'; 130]);
    let sender = Sender { worker: 0, key: 7, serial: 1 };
    let mut empty = Vec::new();
    for _ in 0..rounds {
        for except in [None, None, Some(sender), None] {
            publisher.publish(&frame, except);
        }
        let mut deliveries = inbox.take(empty);
        for delivery in &deliveries {
            assert!(!rooms.deliver(delivery));
        }
        deliveries.clear();
        empty = deliveries;
        let mut octets = 0;
        rooms.flush(|members, turn| {
            octets += members
                .iter()
                .map(|member| black_box((member, turn.plain().octets())).1.len())
                .sum::<usize>();
        });
        assert_eq!(octets, 1000 * 4 * 130);
    }
    Ok(())
}

fn throttle(rounds: u64) -> Result<(), Fault> {
    let (epoch, rate) = (Instant::now(), Rate { interval: Duration::from_millis(20), burst: 100 });
    let (mut bucket, table) = (Bucket::default(), RateTable::new(rate, 10_000));
    let now = epoch + Duration::from_secs(1);
    for _ in 0..rounds {
        black_box(bucket.take(black_box(&rate), epoch, black_box(now)));
        black_box(table.take(black_box(&7_u32), now));
    }
    Ok(())
}
