//! Owns tests of keys that an operator may give, good and bad.
//! Never knows tokens.

use super::super::*;
use super::forge::*;
use crate::secret::Secret;

fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn fault(pem: &str, algorithm: Algorithm) -> String {
    match Key::from_public_pem(pem.as_bytes(), algorithm, None) {
        Ok(key) => panic!("taken, for {}", key.algorithm().name()),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn a_key_is_taken_for_the_algorithms_that_it_fits_and_for_no_other() {
    let pairs: [(&Pair, &[Algorithm]); 4] = [
        (&P256, &[Algorithm::Es256]),
        (&P384, &[Algorithm::Es384]),
        (&ED25519, &[Algorithm::EdDsa]),
        (&RSA, &[Algorithm::Rs256, Algorithm::Ps256]),
    ];
    for (pair, fitting) in pairs {
        for algorithm in Algorithm::ALL {
            let key = Key::from_public_pem(pair.public_pem.as_bytes(), algorithm, Some("a kid"));
            let taken = key.as_ref().ok().map(|key| (key.algorithm(), key.kid()));
            assert_eq!(
                taken,
                fitting.contains(&algorithm).then_some((algorithm, Some("a kid"))),
                "{}",
                algorithm.name()
            );
        }
    }
    let says = fault(&P256.public_pem, Algorithm::Es384);
    assert!(says.contains("a P-256 key, for ES256") && says.contains("ES384"), "{says}");
    assert!(fault(&RSA.public_pem, Algorithm::Hs256).contains("secret_file"));
}

#[test]
fn an_rsa_public_key_is_taken_in_both_its_forms() {
    assert!(Key::from_public_pem(pem("RSA PUBLIC KEY", PKCS1).as_bytes(), Algorithm::Rs256, None).is_ok());
    assert!(fault(&pem("PUBLIC KEY", PKCS1), Algorithm::Rs256).contains("damaged"));
}

#[test]
fn what_is_no_usable_public_key_is_refused_with_a_remedy() {
    let private = std::str::from_utf8(P256.private_pem.expose()).expect("PEM");
    let two = format!("{}{}", P256.public_pem, P256_OTHER.public_pem);
    let both = format!("{}{private}", P256.public_pem);
    for (given, algorithm, says) in [
        (private, Algorithm::Es256, "openssl pkey -in FILE -pubout"),
        (&both, Algorithm::Es256, "this is a private key"),
        (&pem("CERTIFICATE", CERTIFICATE), Algorithm::Es256, "openssl x509 -in FILE -pubkey -noout"),
        (&two, Algorithm::Es256, "2 keys in the file"),
        ("", Algorithm::Es256, "-----BEGIN"),
        ("not a key", Algorithm::Es256, "-----BEGIN"),
        (&pem("PUBLIC KEY", RSA_1024), Algorithm::Rs256, "1024 bits"),
        (&pem("PUBLIC KEY", SECP256K1), Algorithm::Es256, "P-256 or P-384"),
        (&pem("PUBLIC KEY", P521), Algorithm::Es256, "P-256 or P-384"),
        (&pem("PUBLIC KEY", EXPLICIT), Algorithm::Es256, "P-256 or P-384"),
        (&pem("PUBLIC KEY", COMPRESSED), Algorithm::Es256, "-conv_form uncompressed"),
        (&pem("PUBLIC KEY", ED448), Algorithm::EdDsa, "Ed25519"),
        (&pem("PUBLIC KEY", X25519), Algorithm::EdDsa, "Ed25519"),
        (&pem("PUBLIC KEY", RSA_PSS), Algorithm::Ps256, "RSA"),
        (&pem("PUBLIC KEY", "AQID"), Algorithm::Es256, "damaged"),
        (&pem("X509 CRL", "AQID"), Algorithm::Es256, "no public key"),
    ] {
        let fault = fault(given, algorithm);
        assert!(fault.contains(says), "{fault:?} does not say {says:?}");
    }
}

#[test]
fn a_secret_has_32_octets_and_is_no_pem_file() {
    let key =
        |octets: &[u8]| Key::from_secret(&Secret::new(octets.to_vec()), Some("k")).map_err(|fault| fault.0);
    assert_eq!(key(&[7; 32]).ok().map(|key| key.algorithm()), Some(Algorithm::Hs256));
    for short in [0, 1, 16, 31] {
        let fault = key(&vec![7; short]).expect_err("a fault");
        assert!(fault.contains(&format!("{short} octets")) && fault.contains("openssl rand"), "{fault}");
    }
    for pem in [&P256.public_pem, &RSA.public_pem] {
        assert!(key(pem.as_bytes()).expect_err("a fault").contains("PEM"));
    }
}

#[test]
fn a_kid_that_no_token_may_have_is_refused() {
    for bad in ["", "a\nb", "\u{e9}", &"k".repeat(129)] {
        assert!(
            Key::from_public_pem(P256.public_pem.as_bytes(), Algorithm::Es256, Some(bad)).is_err(),
            "{bad:?}"
        );
        assert!(Key::from_secret(&Secret::new(SECRET.to_vec()), Some(bad)).is_err(), "{bad:?}");
    }
    assert!(
        Key::from_public_pem(P256.public_pem.as_bytes(), Algorithm::Es256, Some(&"k".repeat(128))).is_ok()
    );
}

#[test]
fn a_key_is_not_shown_by_debug() {
    let shown = format!("{:?} {:?}", key(Algorithm::Hs256, Some(KID)), P256.signing_key(Algorithm::Es256));
    assert_eq!(
        shown,
        "Key { kid: Some(\"2026-01\"), algorithm: Hs256, .. } SigningKey { algorithm: Es256, .. }"
    );
}

/// An RSA key of 1024 bits.
const RSA_1024: &str = "\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC2UDHmwiKmu2LNNXnkY5Lp7f1X
rfp61yH1c0NpGMmS/L0CbUED7+FS+oVvxWYnAQQFjU/DADdajXh008+jw+5NFgmk
IwqNuSayUCXTBoQc7Hgg3J3NSGscSGMksxskYfUo96KZQp4P682LIH+qgmj5+idI
u4VkL23VumNkD7dTvwIDAQAB";

/// A key on secp256k1.
const SECP256K1: &str = "\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEpnhSti4EkuxE6UZR6ESIot6BVuAgnNC0
cQviurZ4rFkM6mhpogGZlBBGGOIS0yM1hKkhH6iUJqCqbgyW9HcTFw==";

/// A key on P-521.
const P521: &str = "\
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB17kCYWhcpeFnlLIyBpuvSkWNkzKP
dMI2EfXaFt2O+EWMbFzQibNMeccob+/cCpS8jyDPi0m4Ue8jJ2Q/3Hyy2tMA29Qy
tjrpWDYSYOkF/HGdMdRcoYMF3dX06cGQRlTM+IozC3pCBvRUjMApzb8QPEOZEh1o
FoeKDdRmJP8vjMA10wc=";

/// A P-256 key, its point compressed.
const COMPRESSED: &str = "\
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACS4jTiYNVJvb6euszBY1xve3y7nt2
rl2UVJ91hisHARM=";

/// An Ed448 key.
const ED448: &str = "\
MEMwBQYDK2VxAzoA0E9zszZq7KnOCw+sOO4rBXaB5kFMH/U0taIeIxflSA/9sAdd
x3jmVvjvlch4GywolK1zeyyguA4A";

/// A key for X25519, which signs nothing.
const X25519: &str = "MCowBQYDK2VuAyEA6RJpkTeWwvKf0K6dFAOSN4vriRDKeRSX2mNs6NvMlXM=";

/// An RSA key restricted to PSS by its identifier.
const RSA_PSS: &str = "\
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBALsmGOT9LxSubkrXB25wHW2P
ZoSAHfj03OFNXOWfY4tG0FZC9R3PC6KOeJgvmWQ2lpCC4OmJrro3KOzxgOMKc5sN
4IRACk46FRRCHPay/qcWyh5Zl9EGFrqL66uxl/deHT6DvUKYjcNJIWYUMBCgFc5i
DUrFQw9zqqvhBfwAA347sLPwf+lmzhgOO8xl/bpKXt2BvqmezzBi5sc6NyLKRHUv
T6PgZCKoIjXS+IymlNf1wIPVOy5KSzuwqVNKwO+EUIiimVH3ICXYAVihSbHyNmV8
me0cMh6va7JjCz9v7IL51NI18fl6DaTEVHWkjgA8o6BOEfdyEqZ2kysC8RStkbMC
AwEAAQ==";

/// A P-256 key with its curve written out (CVE-2020-0601 was of that kind).
const EXPLICIT: &str = "\
MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA
AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////
///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd
NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5
RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA
//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABMwjxOnPSOFp+Z6RnB8nu8zk
msn67R6NzZCyjPo+gU7nKAgiuPH4yunOUFMrpHvmmJi9IE6j26/9ITh0eMXsIEM=";

/// A certificate.
const CERTIFICATE: &str = "\
MIIBbDCCAROgAwIBAgIUJhV9iFii78GhdMJNaNs5fj92OYswCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjQxMTQwMjRaFw0zNjExMjExMTQwMjRaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQSbge8lvKeV3Kq
K0Jrw21RoD52K+OrPLK2j5XRJytP33cNd/33BTO/sowbbGzbdJUlJcVRxpQwpD9e
Iv5/uA9+o1MwUTAdBgNVHQ4EFgQUwAwtc8KS7CQhCglEjBZx11V2jJQwHwYDVR0j
BBgwFoAUwAwtc8KS7CQhCglEjBZx11V2jJQwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNHADBEAiAF9XCHgX/3wBEJaY54gTTdgKEs8j1KPJxL1ichCUPEEAIg
HTMJQa+EOtWnZq2tABuhwCho951frBScf4kIyG85tmg=";

/// An RSAPublicKey of 2048 bits.
const PKCS1: &str = "\
MIIBCgKCAQEAqOJIOBX/vtgfhL7uHYsxqd61yRUp0zg2mJ+vfQ+EBIDtj81PigvC
L1eIkAe4w3B/Q/8HromEuNMN1NRtAwWOEPZQiyXQ7NPRQSQsCXMqAOMIG1NzzqEV
BuDD+hGSCvvVvSgIljew7ig5BBy2IBp/cjDL0F6QL4pWFsMhoYDBQp5ltNArmIIY
SSywo2V9rJKD250ljU08fLqrw35Hlg2hJ9RpQpTYe9TBMvkIzNUymhxd1eJ1TYEK
kjNEoD/E8Qp1H3yLOFZtluHn+/jqpLbDDEiyiEzQu8kDhH2SWQgHJVuJsItQfjiK
ppvIccNp7Nvc5dP9REzte4vD2pCDhskcZQIDAQAB";
