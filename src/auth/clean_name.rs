//! Owns the rule for a name that is safe to log and to show.
//! Never knows whose name it is.

/// Whether a text is 1 to 256 octets without a control, a line or paragraph separator or a
/// bidirectional control: nothing that would break or turn around a line of a log.
pub(super) fn is_clean_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(disturbs)
}

fn disturbs(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}'
            | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_256_octets() {
        for (name, clean) in [
            ("", false),
            ("a", true),
            (&*"a".repeat(256), true),
            (&*"a".repeat(257), false),
            (&*"\u{e9}".repeat(129), false),
        ] {
            assert_eq!(is_clean_name(name), clean, "{}", name.len());
        }
    }

    #[test]
    fn a_name_has_nothing_that_disturbs_a_line() {
        for good in [
            "alice",
            "alice@example.com",
            "Zo\u{eb}",
            "auth0|5f7c",
            "a b",
            "\u{5d0}\u{5d1}",
            "\u{1f600}",
            "\"x\\",
        ] {
            assert!(is_clean_name(good), "{good}");
        }
        for bad in [
            '\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}',
            '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            assert!(!is_clean_name(&format!("a{bad}b")), "{bad:?}");
        }
    }
}
