//! Owns topic selectors: every topic, one, or those that a URI template stands for.
//! Never knows who selects.

use super::publishable::is_format;
use super::template::Template;
use std::fmt;

/// Which topics are meant.
#[derive(Debug)]
pub struct TopicSelector {
    text: Box<str>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Every,
    Exact,
    /// Also the text itself, as any selector.
    Template(Template),
}

/// Octets of a topic or a selector.
pub(super) const TOPIC_BYTES_MAX: usize = 2048;
/// Octets of a matcher of version 1.0.
const MATCHER_BYTES_MAX: usize = 4096;

impl TopicSelector {
    /// Takes `*`, a topic, or a URI template; what looks like a template and is none stands for
    /// itself alone. `None` for a text that is empty, too long, or has controls.
    #[must_use]
    pub fn parse(text: &str) -> Option<TopicSelector> {
        if !is_topic(text) {
            return None;
        }
        let template = text.contains('{').then(|| Template::parse(text)).flatten();
        let form = match template {
            _ if text == "*" => Form::Every,
            Some(template) => Form::Template(template),
            None => Form::Exact,
        };
        Some(TopicSelector { text: text.into(), form })
    }

    /// Takes `*` or a topic, as the exact matchers of version 1.0 are: braces mean nothing. `None` for a
    /// text that is empty, too long, or has controls or format characters.
    #[must_use]
    pub fn exact(text: &str) -> Option<TopicSelector> {
        let is_hidden = |c: char| c.is_control() || is_format(c);
        if !(1..=MATCHER_BYTES_MAX).contains(&text.len()) || text.chars().any(is_hidden) {
            return None;
        }
        let form = if text == "*" { Form::Every } else { Form::Exact };
        Some(TopicSelector { text: text.into(), form })
    }

    /// Whether a topic is meant.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match &self.form {
            Form::Every => true,
            Form::Exact => *self.text == *topic,
            Form::Template(template) => *self.text == *topic || template.matches(topic),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TopicSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a text can be a topic at all: it is written into event streams and JSON.
pub(super) fn is_topic(text: &str) -> bool {
    (1..=TOPIC_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_means_every_topic_one_or_those_of_a_template() {
        for (selector, topic, matches) in [
            ("*", "anything", true),
            ("https://example.com/a", "https://example.com/a", true),
            ("https://example.com/a", "https://example.com/b", false),
            ("https://example.com/{id}", "https://example.com/b", true),
            ("https://example.com/{id}", "https://example.com/{id}", true),
            ("https://example.com/{id", "https://example.com/{id", true),
            ("https://example.com/{id", "https://example.com/1", false),
            ("a*", "ab", false),
        ] {
            let parsed = TopicSelector::parse(selector).expect(selector);
            assert_eq!(parsed.matches(topic), matches, "{selector} {topic}");
        }
        assert!(TopicSelector::parse(&"t".repeat(TOPIC_BYTES_MAX)).is_some());
        for bad in ["", "a\nb", "a\0", &"t".repeat(TOPIC_BYTES_MAX + 1)] {
            assert!(TopicSelector::parse(bad).is_none(), "{bad:?}");
        }
    }
}
