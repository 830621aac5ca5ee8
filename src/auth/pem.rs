//! Owns the sections of a PEM text (RFC 7468).
//! Never knows what is in a section.

use super::key_fault::KeyFault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A section: what its first line calls it, and its octets.
pub(super) struct Section {
    pub(super) label: String,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// The sections of a text, in order. What stands between them is a comment.
///
/// # Errors
/// A sentence if it is no PEM text, is cut short, or a section cannot be read.
pub(super) fn sections(pem: &[u8]) -> Result<Vec<Section>, KeyFault> {
    let text = std::str::from_utf8(pem).map_err(|_| KeyFault::new(NOT_PEM))?;
    let mut sections = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) => body.push_str(line),
                None => {
                    return Err(KeyFault::new(format!(
                        "the PEM section {label:?} has no end: the file is cut short"
                    )));
                }
            }
        }
        if label.contains("ENCRYPTED") || body.contains("ENCRYPTED") {
            return Err(KeyFault::new(
                "the key is encrypted: give one that is not: openssl pkey -in FILE -out NEWFILE",
            ));
        }
        let der = STANDARD.decode(body.as_bytes()).map_err(|_| {
            KeyFault::new(format!("the PEM section {label:?} is not base64: the file is damaged"))
        })?;
        sections.push(Section { label: label.to_owned(), der: Zeroizing::new(der) });
    }
    if sections.is_empty() { Err(KeyFault::new(NOT_PEM)) } else { Ok(sections) }
}

const NOT_PEM: &str = "there is no key in PEM form (-----BEGIN ...): if the file is in DER form, \
                       convert it: openssl pkey -inform DER -in FILE -out NEWFILE (with -pubin for a public key)";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(pem: &[u8]) -> String {
        let Err(fault) = sections(pem) else { panic!("taken") };
        fault.0
    }

    #[test]
    fn sections_are_read_in_order_and_comments_are_not() {
        let pem = b"a comment\n-----BEGIN A-----\r\nAQI=\r\n-----END A-----\n\n-----BEGIN B C-----\nAw\n==\n-----END B C-----";
        let read = sections(pem).expect("PEM");
        let read: Vec<_> = read.iter().map(|section| (&*section.label, section.der.as_slice())).collect();
        assert_eq!(read, [("A", &[1, 2][..]), ("B C", &[3][..])]);
    }

    #[test]
    fn what_is_no_pem_is_told_so() {
        assert!(fault(b"").contains("-----BEGIN"));
        assert!(fault(b"\x30\x59\xff").contains("openssl pkey -inform DER"));
        assert!(fault(b"-----BEGIN A-----\nAQI=\n").contains("cut short"));
        assert!(fault(b"-----BEGIN A-----\nA!I=\n-----END A-----").contains("damaged"));
        assert!(
            fault(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAQI=\n-----END ENCRYPTED PRIVATE KEY-----")
                .contains("encrypted")
        );
        let old =
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAQI=\n-----END RSA PRIVATE KEY-----";
        assert!(fault(old).contains("encrypted"));
    }
}
