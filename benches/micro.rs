//! Owns the measurement of single parts in memory: head, handshake, token, codec and throttle,
//! held against tungstenite and jsonwebtoken.
//! Never knows a socket: what a connection costs is measured from outside.
//!
//! `cargo bench --bench micro`, or with a filter: `cargo bench --bench micro -- decode`.

#[path = "parts/mod.rs"]
mod parts;

use criterion::{BenchmarkId, Criterion, Throughput};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm as LibraryAlgorithm, DecodingKey, EncodingKey, Header, Validation};
use parts::{AUDIENCE, HEAD, HEAD_LIMITS, ISSUER, decode, masked_text};
use portcullis::auth::{
    Algorithm, BearerToken, ClaimPaths, CredentialPolicy, Issuer, Key, Lifetimes, Required, Verifier,
};
use portcullis::codec::{Decoder, Opcode, encode};
use portcullis::gate::{HeadProgress, UpgradeRequest, judge_head};
use portcullis::secret::Secret;
use portcullis::throttle::{Bucket, Rate, RateTable};
use rcgen::{KeyPair, RsaKeySize};
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant, SystemTime};
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, create_response};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// Payloads of a short chat line, a long one, and a document.
const PAYLOAD_BYTES: [usize; 3] = [128, 1024, 16 * 1024];

/// Octets of a read: as many frames as fit, at least one.
const READ_BYTES: usize = 16 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    head_judge(&mut criterion);
    handshake_parse(&mut criterion)?;
    token_verify(&mut criterion)?;
    codec_decode(&mut criterion);
    codec_decode_in_pieces(&mut criterion);
    codec_encode(&mut criterion);
    throttle_take(&mut criterion);
    criterion.final_summary();
    Ok(())
}

/// The octets of a head, whole and octet by octet. Tungstenite's makes a map of the fields of
/// them besides, which hyper does for us, and keeps no state between pieces.
fn head_judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    let head = HEAD.as_bytes();
    group.throughput(Throughput::BytesDecimal(u64::try_from(head.len()).unwrap_or(u64::MAX)));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            let judged = judge_head(black_box(head), &mut HeadProgress::default(), &HEAD_LIMITS);
            assert!(judged.is_ok_and(|head| head.is_some()));
        });
    });
    group.bench_function("ours_octet_by_octet", |bencher| {
        bencher.iter(|| {
            let mut progress = HeadProgress::default();
            let pieces = (1..=head.len()).filter_map(|end| head.get(..end));
            let judged = pieces.map(|piece| judge_head(black_box(piece), &mut progress, &HEAD_LIMITS));
            assert_eq!(judged.filter(|judged| matches!(judged, Ok(Some(_)))).count(), 1);
        });
    });
    group.bench_function("tungstenite", |bencher| {
        bencher.iter(|| assert!(Request::try_parse(black_box(head)).is_ok_and(|head| head.is_some())));
    });
    group.finish();
}

/// The fields of an opening handshake, up to the `Sec-WebSocket-Accept` that answers it.
fn handshake_parse(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("handshake");
    let (_, request) = Request::try_parse(HEAD.as_bytes())?.ok_or("the head is not whole")?;
    group.bench_function("tungstenite", |bencher| {
        bencher.iter(|| assert!(create_response(black_box(&request)).is_ok()));
    });
    let (parts, ()) = request.into_parts();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| assert!(UpgradeRequest::parse(black_box(&parts)).is_ok()));
    });
    group.finish();
    Ok(())
}

/// A token of one issuer with one key, from its text to who it proves. The library alone
/// judges fewer claims, and finds no grants.
fn token_verify(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("token");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let lifetimes =
        Lifetimes { leeway: Duration::from_secs(5), max_token_lifetime: Duration::from_secs(3600) };
    let policy = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
    for signer in Signer::all()? {
        let name = signer.algorithm.name();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 3600, "jti": "4f2a",
            "portcullis": { "subscribe": ["*"], "publish": ["*"] },
        });
        let token = jsonwebtoken::encode(&Header::new(signer.library), &claims, &signer.encoding)?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
        let bearer =
            BearerToken::find(&headers, None, &[], &policy).map_err(|reason| format!("{reason:?}"))?;
        let verifier = Verifier::new(vec![Issuer {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            typ: "".into(),
            require: Required::default(),
            keys: vec![signer.key],
            claims: ClaimPaths::default(),
            wanted: None,
        }]);
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| assert!(verifier.verify(black_box(&bearer), &lifetimes, now).is_ok()));
        });
        let mut validation = Validation::new(signer.library);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        group.bench_function(BenchmarkId::new("jsonwebtoken", name), |bencher| {
            bencher.iter(|| {
                let claims = jsonwebtoken::decode::<Value>(black_box(&token), &signer.decoding, &validation);
                assert!(claims.is_ok());
            });
        });
    }
    group.finish();
    Ok(())
}

/// An algorithm with a new key, as both sides take it.
struct Signer {
    algorithm: Algorithm,
    library: LibraryAlgorithm,
    key: Key,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Signer {
    fn all() -> Result<[Signer; 4], Box<dyn Error>> {
        Ok([
            Signer::es256(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)?,
            Signer::eddsa(&KeyPair::generate_for(&rcgen::PKCS_ED25519)?)?,
            Signer::rs256(&KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?)?,
            Signer::hs256(b"0123456789abcdef0123456789abcdef")?,
        ])
    }

    fn es256(pair: &KeyPair) -> Result<Signer, Box<dyn Error>> {
        let (private, public) = (pair.serialize_pem(), pair.public_key_pem());
        Ok(Signer {
            algorithm: Algorithm::Es256,
            library: LibraryAlgorithm::ES256,
            key: public_key(&public, Algorithm::Es256)?,
            encoding: EncodingKey::from_ec_pem(private.as_bytes())?,
            decoding: DecodingKey::from_ec_pem(public.as_bytes())?,
        })
    }

    fn eddsa(pair: &KeyPair) -> Result<Signer, Box<dyn Error>> {
        let (private, public) = (pair.serialize_pem(), pair.public_key_pem());
        Ok(Signer {
            algorithm: Algorithm::EdDsa,
            library: LibraryAlgorithm::EdDSA,
            key: public_key(&public, Algorithm::EdDsa)?,
            encoding: EncodingKey::from_ed_pem(private.as_bytes())?,
            decoding: DecodingKey::from_ed_pem(public.as_bytes())?,
        })
    }

    fn rs256(pair: &KeyPair) -> Result<Signer, Box<dyn Error>> {
        let (private, public) = (pair.serialize_pem(), pair.public_key_pem());
        Ok(Signer {
            algorithm: Algorithm::Rs256,
            library: LibraryAlgorithm::RS256,
            key: public_key(&public, Algorithm::Rs256)?,
            encoding: EncodingKey::from_rsa_pem(private.as_bytes())?,
            decoding: DecodingKey::from_rsa_pem(public.as_bytes())?,
        })
    }

    fn hs256(secret: &[u8]) -> Result<Signer, Box<dyn Error>> {
        let key = Key::from_secret(&Secret::new(secret.to_vec()), None).map_err(|fault| fault.to_string())?;
        Ok(Signer {
            algorithm: Algorithm::Hs256,
            library: LibraryAlgorithm::HS256,
            key,
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        })
    }
}

fn public_key(pem: &str, algorithm: Algorithm) -> Result<Key, Box<dyn Error>> {
    Ok(Key::from_public_pem(pem.as_bytes(), algorithm, None).map_err(|fault| fault.to_string())?)
}

/// Masked text frames, whole within a read.
fn codec_decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for payload_bytes in PAYLOAD_BYTES {
        let frames = (READ_BYTES / payload_bytes).max(1);
        let octets = masked_text(payload_bytes).repeat(frames);
        group.throughput(Throughput::Elements(u64::try_from(frames).unwrap_or(u64::MAX)));

        group.bench_function(BenchmarkId::new("ours", payload_bytes), |bencher| {
            let (mut decoder, now) = (Decoder::default(), Instant::now());
            let mut read = octets.clone();
            bencher.iter(|| {
                // What a socket would have written into the buffer, which decoding unmasks.
                read.copy_from_slice(&octets);
                assert_eq!(decode(&mut decoder, now, &mut read), frames);
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", payload_bytes), |bencher| {
            let config = WebSocketConfig::default().read_buffer_size(2 * READ_BYTES);
            let mut context = WebSocketContext::new(Role::Server, Some(config));
            bencher.iter(|| {
                let mut stream = Memory(&octets);
                let read = (0..).take_while(|_| context.read(&mut stream).map(black_box).is_ok()).count();
                assert_eq!(read, frames);
            });
        });
    }
    group.finish();
}

/// One frame of 16 KiB that comes in reads of an Ethernet segment's size, and octet by octet.
fn codec_decode_in_pieces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_in_pieces");
    let octets = masked_text(16 * 1024);
    group.throughput(Throughput::Bytes(16 * 1024));
    for piece_bytes in [1, 1448] {
        group.bench_function(BenchmarkId::new("ours", piece_bytes), |bencher| {
            let (mut decoder, now) = (Decoder::default(), Instant::now());
            let mut read = octets.clone();
            bencher.iter(|| {
                read.copy_from_slice(&octets);
                let pieces = read.chunks_mut(piece_bytes);
                assert_eq!(pieces.map(|piece| decode(&mut decoder, now, piece)).sum::<usize>(), 1);
            });
        });
    }
    group.finish();
}

/// One text frame into a buffer that is there.
fn codec_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for payload_bytes in PAYLOAD_BYTES {
        let payload = vec![b'x'; payload_bytes];
        let mut out = Vec::with_capacity(2 * payload_bytes);
        group.bench_function(BenchmarkId::new("ours", payload_bytes), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode(Opcode::Text, black_box(&payload), &mut out);
                black_box(out.len())
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", payload_bytes), |bencher| {
            let payload = bytes::Bytes::from(payload.clone());
            bencher.iter(|| {
                out.clear();
                let frame = Frame::message(black_box(&payload).clone(), OpCode::Data(Data::Text), true);
                frame.format(&mut out).map(|()| black_box(out.len()))
            });
        });
    }
    group.finish();
}

/// One event of a session's own bucket, and one of a key among 100,000 in a table.
fn throttle_take(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throttle");
    let (epoch, rate) = (Instant::now(), Rate { interval: Duration::from_millis(20), burst: 100 });
    group.bench_function("bucket_take", |bencher| {
        let (mut bucket, now) = (Bucket::default(), epoch + Duration::from_secs(1));
        bencher.iter(|| bucket.take(black_box(&rate), epoch, black_box(now)));
    });
    let table = RateTable::new(rate, 100_000);
    let mut key = 0_u32;
    for key in 0..200_000 {
        black_box(table.take(&key, epoch));
    }
    group.bench_function("table_take_of_a_held_key", |bencher| {
        bencher.iter(|| table.take(black_box(&199_999), epoch));
    });
    group.bench_function("table_take_of_a_new_key_when_full", |bencher| {
        bencher.iter(|| {
            key = key.wrapping_add(1);
            table.take(black_box(&key), epoch)
        });
    });
    group.finish();
}

/// Octets to read, then nothing for now; what is written is dropped.
struct Memory<'a>(&'a [u8]);

impl Read for Memory<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(out) }
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
