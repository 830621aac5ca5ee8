//! Owns URI templates (RFC 6570) read backwards: whether a text is an expansion of one.
//! Never knows what a text stands for.
//!
//! A template becomes a small automaton that is walked over the text once, with all its states at
//! once: the time is their product, whatever was written to make it longer.

/// A template as an automaton.
#[derive(Debug)]
pub(super) struct Template(Vec<Step>);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// One octet of a set.
    Octet(Set),
    /// Either goes on at the next step or there.
    Or(usize),
    /// Goes on there.
    Go(usize),
}

/// Octets that may stand at a place.
#[derive(Clone, Copy, Debug)]
enum Set {
    This(u8),
    Hex,
    /// What a value may have without being encoded, and the comma between values of a list.
    Unreserved,
    /// The same with reserved octets (`{+var}`, `{#var}`).
    Reserved,
}

impl Set {
    fn has(self, octet: u8) -> bool {
        let unreserved = octet.is_ascii_alphanumeric() || b"-._~,".contains(&octet);
        match self {
            Set::This(this) => this == octet,
            Set::Hex => octet.is_ascii_hexdigit(),
            Set::Unreserved => unreserved,
            Set::Reserved => unreserved || b":/?#[]@!$&'()*+;=".contains(&octet),
        }
    }
}

/// What an operator does to the values behind it (RFC 6570 appendix A).
struct Operator {
    first: Option<u8>,
    between: u8,
    named: bool,
    set: Set,
}

impl Operator {
    fn of(expression: &str) -> (Operator, &str) {
        let plain = |set| Operator { first: None, between: b',', named: false, set };
        let with =
            |first, named| Operator { first: Some(first), between: first, named, set: Set::Unreserved };
        let rest = expression.get(1..).unwrap_or_default();
        match expression.as_bytes().first() {
            Some(b'+') => (plain(Set::Reserved), rest),
            Some(b'#') => (Operator { first: Some(b'#'), ..plain(Set::Reserved) }, rest),
            Some(b'.') => (with(b'.', false), rest),
            Some(b'/') => (with(b'/', false), rest),
            Some(b';') => (with(b';', true), rest),
            Some(b'?') => (Operator { between: b'&', ..with(b'?', true) }, rest),
            Some(b'&') => (with(b'&', true), rest),
            _ => (plain(Set::Unreserved), expression),
        }
    }
}

/// A variable of an expression, with its modifier.
struct Variable<'a> {
    name: &'a str,
    explodes: bool,
    longest: Option<usize>,
}

impl<'a> Variable<'a> {
    fn parse(text: &'a str) -> Option<Variable<'a>> {
        let (name, explodes, longest) = match (text.strip_suffix('*'), text.split_once(':')) {
            (Some(name), None) => (name, true, None),
            (None, Some((name, most))) => (name, false, Some(most.parse().ok()?)),
            (None, None) => (text, false, None),
            (Some(_), Some(_)) => return None,
        };
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"_.%".contains(&octet);
        let is_name = !name.is_empty() && name.bytes().all(fits);
        (is_name && longest.is_none_or(|most| (1..=PREFIX_MAX).contains(&most))).then_some(Variable {
            name,
            explodes,
            longest,
        })
    }
}

impl Template {
    /// Takes a text that has expressions; `None` where it is no template, or larger than any that is
    /// needed.
    pub(super) fn parse(text: &str) -> Option<Template> {
        let mut template = Template(Vec::new());
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('{') {
            let (expression, behind) = behind.split_once('}')?;
            template.literal(literal)?;
            template.expression(expression)?;
            if template.0.len() > STEPS_MAX {
                return None;
            }
            rest = behind;
        }
        template.literal(rest)?;
        (template.0.len() <= STEPS_MAX).then_some(template)
    }

    /// Whether a text is an expansion, whatever the values.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut now = States::new(self.0.len());
        let mut next = States::new(self.0.len());
        self.enter(0, &mut now);
        for octet in text.bytes() {
            for &at in &now.list {
                if let Some(Step::Octet(set)) = self.0.get(at)
                    && set.has(octet)
                {
                    self.enter(at + 1, &mut next);
                }
            }
            if next.list.is_empty() {
                return false;
            }
            now.clear();
            std::mem::swap(&mut now, &mut next);
        }
        now.list.contains(&self.0.len())
    }

    /// Enters a step and all that it leads to without an octet.
    fn enter(&self, at: usize, states: &mut States) {
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            if !states.add(at) {
                continue;
            }
            match self.0.get(at) {
                Some(Step::Or(there)) => open.extend([at + 1, *there]),
                Some(Step::Go(there)) => open.push(*there),
                Some(Step::Octet(_)) | None => {}
            }
        }
    }

    fn literal(&mut self, text: &str) -> Option<()> {
        if text.contains(['{', '}']) {
            return None;
        }
        self.0.extend(text.bytes().map(|octet| Step::Octet(Set::This(octet))));
        Some(())
    }

    /// All variables may be undefined; those that are not stand in their order.
    fn expression(&mut self, expression: &str) -> Option<()> {
        let (operator, list) = Operator::of(expression);
        let variables: Vec<Variable<'_>> = list.split(',').map(Variable::parse).collect::<Option<_>>()?;
        if variables.len() > VARIABLES_MAX {
            return None;
        }
        // One alternative for each variable that may be the first that is defined.
        let mut ends = Vec::new();
        for first in 0..variables.len() {
            self.optional(|template| {
                template.octet(operator.first);
                for (place, variable) in variables.iter().enumerate().skip(first) {
                    if place == first {
                        template.variable(&operator, variable);
                    } else {
                        template.optional(|template| {
                            template.octet(Some(operator.between));
                            template.variable(&operator, variable);
                        });
                    }
                }
                ends.push(template.0.len());
                template.0.push(Step::Go(0));
            });
        }
        let end = self.0.len();
        for at in ends {
            if let Some(step) = self.0.get_mut(at) {
                *step = Step::Go(end);
            }
        }
        Some(())
    }

    fn variable(&mut self, operator: &Operator, variable: &Variable<'_>) {
        self.item(operator, variable);
        if variable.explodes {
            self.repeated(|template| {
                template.octet(Some(operator.between));
                template.item(operator, variable);
            });
        }
    }

    /// `value`, or `name=value` (`;name` alone where the value is empty).
    fn item(&mut self, operator: &Operator, variable: &Variable<'_>) {
        let value = |template: &mut Template| match variable.longest {
            None => template.repeated(|template| template.character(operator.set)),
            Some(most) => {
                for _ in 0..most {
                    template.optional(|template| template.character(operator.set));
                }
            }
        };
        if !operator.named {
            return value(self);
        }
        self.0.extend(variable.name.bytes().map(|octet| Step::Octet(Set::This(octet))));
        let valued = |template: &mut Template| {
            template.octet(Some(b'='));
            value(template);
        };
        if operator.first == Some(b';') { self.optional(valued) } else { valued(self) }
    }

    /// A character of a value, encoded or not.
    fn character(&mut self, set: Set) {
        let or = self.0.len();
        self.0.extend([Step::Or(or + 3), Step::Octet(set), Step::Go(or + 6)]);
        self.0.extend([Step::Octet(Set::This(b'%')), Step::Octet(Set::Hex), Step::Octet(Set::Hex)]);
    }

    fn octet(&mut self, octet: Option<u8>) {
        self.0.extend(octet.map(|octet| Step::Octet(Set::This(octet))));
    }

    fn optional(&mut self, inner: impl FnOnce(&mut Template)) {
        let or = self.0.len();
        self.0.push(Step::Or(0));
        inner(self);
        let end = self.0.len();
        if let Some(step) = self.0.get_mut(or) {
            *step = Step::Or(end);
        }
    }

    fn repeated(&mut self, inner: impl FnOnce(&mut Template)) {
        let or = self.0.len();
        self.optional(|template| {
            inner(template);
            template.0.push(Step::Go(or));
        });
    }
}

/// The states that an automaton is in, each once.
struct States {
    list: Vec<usize>,
    has: Vec<bool>,
}

impl States {
    fn new(steps: usize) -> States {
        States { list: Vec::new(), has: vec![false; steps + 1] }
    }

    fn add(&mut self, at: usize) -> bool {
        let is_new = self.has.get_mut(at).is_some_and(|has| !std::mem::replace(has, true));
        if is_new {
            self.list.push(at);
        }
        is_new
    }

    fn clear(&mut self) {
        for at in self.list.drain(..) {
            if let Some(has) = self.has.get_mut(at) {
                *has = false;
            }
        }
    }
}

const STEPS_MAX: usize = 4096;
const VARIABLES_MAX: usize = 8;
const PREFIX_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(template: &str, text: &str) -> bool {
        Template::parse(template).expect(template).matches(text)
    }

    #[test]
    fn a_text_matches_the_templates_that_it_is_an_expansion_of() {
        for (template, good, bad) in [
            (
                "https://example.com/books/{id}",
                "https://example.com/books/1",
                "https://example.com/books/1/2",
            ),
            ("https://example.com/books/{id}", "https://example.com/books/", "https://example.com/books"),
            (
                "https://example.com/books/{id}",
                "https://example.com/books/a%2Fb",
                "https://example.com/books/a%2",
            ),
            (
                "https://example.com/books/{id}.jsonld",
                "https://example.com/books/1.jsonld",
                "https://example.com/books/1",
            ),
            ("/{a}/{b}", "/x/y", "/x/y/z"),
            ("/{+path}", "/x/y?z#w", "/x y"),
            ("{/path*}", "/a/b/c", "a/b"),
            ("{/a,b}", "/x/y", "/x/y/z"),
            ("/s{?q,page}", "/s?q=x&page=2", "/s?page=2&q=x"),
            ("/s{?q,page}", "/s?page=2", "/s?other=2"),
            ("/s{?q,page}", "/s", "/s?"),
            ("/s{?q*}", "/s?q=1&q=2", "/s?q=1&p=2"),
            ("/s?a=b{&c}", "/s?a=b&c=", "/s?a=b&d="),
            ("/m{;x,y}", "/m;x=1;y", "/m;z=1"),
            ("x{.e}", "x.json", "xjson"),
            ("x{#f}", "x#a/b", "x/b"),
            ("{a:3}", "abc", "abcd"),
            ("{a:3}", "a%20b", "a%20bc"),
            ("{x,y}", "1,2", "1;2"),
            ("", "", "x"),
        ] {
            assert!(matches(template, good), "{template} {good}");
            assert!(!matches(template, bad), "{template} {bad}");
        }
    }

    #[test]
    fn what_is_no_template_is_none() {
        let many = format!("{{{}}}", ["a"; 9].join(","));
        for bad in [
            "{", "}", "a}b", "{}", "{a", "{a{b}}", "{a b}", "{a:0}", "{a:65}", "{a:x}", "{a*:3}", "{!}",
            &many,
        ] {
            assert!(Template::parse(bad).is_none(), "{bad}");
        }
        assert!(Template::parse(&"{a:64}".repeat(100)).is_none(), "too large");
    }

    #[test]
    fn a_hostile_template_is_matched_in_linear_time() {
        let template = Template::parse(&"{+a}".repeat(200)).expect("a template");
        assert!(!template.matches(&format!("{}\u{e9}", "a".repeat(4000))));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(template in "[a-z{}/?&;.#+*:,0-9]{0,40}", text in ".{0,40}") {
            if let Some(template) = Template::parse(&template) {
                let _matched = template.matches(&text);
            }
        }

        #[test]
        fn a_template_without_expressions_matches_itself_alone(text in "[a-z/:.]{1,20}", other in "[a-z/:.]{1,20}") {
            prop_assert!(matches(&text, &text));
            prop_assert_eq!(matches(&text, &other), text == other);
        }

        #[test]
        fn a_value_of_one_segment_is_an_expansion(value in "[a-zA-Z0-9._~-]{0,20}") {
            let text = format!("/rooms/{value}/x");
            let is_one = matches("/rooms/{room}/x", &text);
            prop_assert!(is_one);
        }
    }
}
