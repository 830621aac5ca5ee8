//! Owns what is to be said of a configuration file: faults and warnings, each at its place.
//! Never knows what a key means, nor shows what may be a secret.

use super::mask;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

/// Octets of the file, from one to another.
pub(super) type Span = Range<usize>;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but is weaker than the default, or holds something that does nothing.
    Warning,
}

/// One thing to be said of the file.
#[derive(Clone, Debug)]
pub struct Finding {
    severity: Severity,
    message: String,
    help: Option<String>,
    span: Option<Span>,
    line: usize,
    column: usize,
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one line. It never holds a secret.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write or do instead.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Line and column, both counted from 1, the column in characters; `None` for what concerns
    /// the file as a whole, such as a section that is not there.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|_| (self.line, self.column))
    }
}

/// All that is to be said of one file, in the order of the file.
#[derive(Clone, Debug)]
pub struct Findings {
    path: String,
    source: String,
    list: Vec<Finding>,
}

impl Findings {
    /// The findings, in the order of the file; those about the whole file come first.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// What stands in the way, in one line: `file: line:column: message; line:column: message`.
    #[must_use]
    pub fn summary(&self) -> String {
        let errors = self.iter().filter(|finding| finding.severity == Severity::Error);
        let told = errors.map(|finding| match finding.place() {
            Some((line, column)) => format!("{line}:{column}: {}", finding.message),
            None => finding.message.clone(),
        });
        format!("{}: {}", self.path, told.collect::<Vec<_>>().join("; "))
    }

    /// Whether nothing is to be said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The findings as text: the message, `file:line:column`, the line with a caret under the
    /// place, and the remedy. What may be a secret in the line is covered.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for finding in &self.list {
            text.push_str(&renderer.render(&[self.group(finding)]));
            text.push_str("\n\n");
        }
        text
    }

    fn group<'a>(&'a self, finding: &'a Finding) -> Group<'a> {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&*finding.message);
        let group = match &finding.span {
            Some(span) => title.element(
                Snippet::source(&*self.source)
                    .path(&*self.path)
                    .annotation(AnnotationKind::Primary.span(span.clone())),
            ),
            None => title.element(Origin::path(&*self.path)),
        };
        match &finding.help {
            Some(help) => group.element(Level::HELP.message(&**help)),
            None => group,
        }
    }
}

/// Gathers findings while a file is read.
pub(super) struct Collector<'a> {
    path: &'a Path,
    source: &'a str,
    list: RefCell<Vec<Finding>>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(path: &'a Path, source: &'a str) -> Collector<'a> {
        Collector { path, source, list: RefCell::new(Vec::new()) }
    }

    /// Says that the file cannot be used as it is.
    pub(super) fn error(&self, span: Option<Span>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), help.into());
    }

    /// Says that something is weaker than it could be, or does nothing.
    pub(super) fn warning(&self, span: Option<Span>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, span, message.into(), help.into());
    }

    /// Whether anything stands in the way of using the file.
    pub(super) fn has_errors(&self) -> bool {
        self.list.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The findings in the order of the file; `covered` is not shown in it.
    pub(super) fn finish(self, covered: &[Span]) -> Findings {
        let mut list = self.list.into_inner();
        list.sort_by_key(|finding| {
            (finding.span.as_ref().map(|span| (span.start, span.end)), finding.severity)
        });
        list.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        Findings { path: self.path.display().to_string(), source: mask::covered(self.source, covered), list }
    }

    fn add(&self, severity: Severity, span: Option<Span>, message: String, help: String) {
        let span = span.map(|span| first_line(self.source, whole_characters(self.source, span)));
        let (line, column) = span.as_ref().map_or((0, 0), |span| position(self.source, span.start));
        let help = Some(help).filter(|help| !help.is_empty());
        self.list.borrow_mut().push(Finding { severity, message, help, span, line, column });
    }
}

/// Widens a span to where characters begin and end, inside the text.
fn whole_characters(source: &str, span: Span) -> Span {
    let mut start = span.start.min(source.len());
    while !source.is_char_boundary(start) {
        start = start.saturating_sub(1);
    }
    let mut end = span.end.clamp(start, source.len());
    while !source.is_char_boundary(end) {
        end = end.saturating_add(1);
    }
    start..end
}

/// Cuts a span that goes over several lines at the end of the first.
fn first_line(source: &str, span: Span) -> Span {
    let text = source.get(span.clone()).unwrap_or("");
    let length = text.find(['\r', '\n']).filter(|length| *length > 0).unwrap_or(text.len());
    span.start..span.start + length
}

/// Line and column of an octet, from 1; the column in characters.
fn position(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or(source);
    let line = before.bytes().filter(|octet| *octet == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(source: &str, span: Option<Span>, covered: &[Span]) -> Findings {
        let collector = Collector::new(Path::new("p.toml"), source);
        collector.error(span, "it is wrong", "write it right");
        collector.finish(covered)
    }

    #[test]
    fn a_finding_shows_file_line_column_a_caret_and_the_remedy() {
        let text = findings("a = 1\nbä = 2\n", Some(12..13), &[]).render(false);
        for part in ["error: it is wrong", "--> p.toml:2:6", "bä = 2", "     ^", "help: write it right"] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(findings("a = 1\n", Some(4..5), &[]).render(true).contains('\u{1b}'));
    }

    #[test]
    fn a_finding_about_the_whole_file_has_no_line() {
        let text = findings("a = 1\n", None, &[]).render(false);
        assert!(text.contains("--> p.toml\n") && !text.contains("a = 1"), "{text}");
    }

    #[test]
    fn what_is_covered_is_not_in_the_line_and_the_caret_stays_where_it_was() {
        let text = findings("a = \"sömé\" # b\n", Some(14..17), std::slice::from_ref(&(4..12))).render(false);
        assert!(!text.contains("söm"), "{text}");
        assert!(text.contains("p.toml:1:13"), "{text}");
    }

    #[test]
    fn spans_beyond_the_text_or_inside_a_character_do_not_panic() {
        for span in [0..0, 1..2, 5..9, 100..200] {
            let _ = findings("ä", Some(span.clone()), &[]).render(false);
            let _ = findings("", Some(span), &[]).render(false);
        }
    }
}
