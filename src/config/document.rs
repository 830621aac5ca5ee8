//! Owns the walk over a TOML document that tells every fault at its place.
//! Never knows what a key means.

use super::findings::{Collector, Span};
use super::mask::{self, quoted};
use super::units;
use crate::throttle::Rate;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A table of the document, from which keys are taken one by one; what was never asked for is
/// unknown. A table that is not there has no keys.
pub(super) struct Section<'a> {
    /// The dotted path to it, empty for the document itself.
    name: String,
    table: Option<&'a DeTable<'a>>,
    span: Option<Span>,
    asked: Vec<&'static str>,
    notes: &'a Collector<'a>,
}

impl<'a> Section<'a> {
    /// The document itself.
    pub(super) fn root(table: &'a DeTable<'a>, notes: &'a Collector<'a>) -> Section<'a> {
        Section { name: String::new(), table: Some(table), span: None, asked: Vec::new(), notes }
    }

    /// Where the findings go.
    pub(super) fn notes(&self) -> &'a Collector<'a> {
        self.notes
    }

    /// All of it, as it was parsed.
    pub(super) fn table(&self) -> Option<&'a DeTable<'a>> {
        self.table
    }

    /// Whether the file has it.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Where its header stands.
    pub(super) fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    /// The dotted path to a key in it.
    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// The table under a key.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let name = self.path(key);
        let (table, span) = match self.take(key) {
            Some((DeValue::Table(table), span)) => (Some(table), Some(span)),
            Some((other, span)) => {
                self.wrong_type(
                    key,
                    "a table",
                    other,
                    span,
                    &format!("write `[{name}]` on a line of its own"),
                );
                (None, None)
            }
            None => (None, None),
        };
        Section { name, table, span, asked: Vec::new(), notes: self.notes }
    }

    /// The tables under a key that may be there several times.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let name = self.path(key);
        let remedy = format!("write `[[{name}]]` on a line of its own, once for each");
        let Some((value, span)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.wrong_type(key, "a list of tables", value, span, &remedy);
            return Vec::new();
        };
        if array.is_empty() {
            self.bad(key, span, "is empty", &remedy);
        }
        let mut sections = Vec::new();
        for item in array.iter() {
            if let DeValue::Table(table) = item.get_ref() {
                let (name, span) = (name.clone(), Some(item.span()));
                sections.push(Section {
                    name,
                    table: Some(table),
                    span,
                    asked: Vec::new(),
                    notes: self.notes,
                });
            } else {
                self.wrong_type(key, "a list of tables", item.get_ref(), item.span(), &remedy);
            }
        }
        sections
    }

    /// Where a key stands, if it does; it counts as known.
    pub(super) fn place(&mut self, key: &'static str) -> Option<Span> {
        self.asked.push(key);
        let entry = self.table?.iter().find(|(name, _)| name.get_ref() == key);
        entry.map(|(name, _)| name.span())
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str) -> Option<At<String>> {
        match self.take(key)? {
            (DeValue::String(text), span) => Some(At { value: text.to_string(), span }),
            (other, span) => {
                self.wrong_type(key, "a string", other, span, &format!("write `{key} = \"...\"`"));
                None
            }
        }
    }

    /// A string that must be there; what for is said if it is not.
    pub(super) fn required(&mut self, key: &'static str, help: &str) -> Option<At<String>> {
        if self.place(key).is_none() {
            self.missing(key, help);
            return None;
        }
        let text = self.string(key)?;
        if text.value.is_empty() {
            self.notes.error(Some(text.span), format!("`{}` is empty", self.path(key)), help);
            return None;
        }
        Some(text)
    }

    /// Says that a key is not there.
    pub(super) fn missing(&self, key: &str, help: &str) {
        self.notes.error(self.span(), format!("`{}` is missing", self.path(key)), help);
    }

    /// A list of strings.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let remedy = format!("write `{key} = [\"...\", \"...\"]`");
        let (value, span) = self.take(key)?;
        let DeValue::Array(array) = value else {
            self.wrong_type(key, "a list of strings", value, span, &remedy);
            return None;
        };
        let mut strings = Vec::new();
        let mut whole = true;
        for item in array.iter() {
            match item.get_ref() {
                DeValue::String(text) => strings.push(At { value: text.to_string(), span: item.span() }),
                other @ (DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_)) => {
                    self.wrong_type(key, "a list of strings", other, item.span(), &remedy);
                    whole = false;
                }
            }
        }
        whole.then_some(At { value: strings, span })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<At<bool>> {
        match self.take(key)? {
            (DeValue::Boolean(value), span) => Some(At { value: *value, span }),
            (other, span) => {
                self.wrong_type(
                    key,
                    "true or false",
                    other,
                    span,
                    &format!("write `{key} = false`, without quotes"),
                );
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, key: &'static str, within: RangeInclusive<u64>) -> Option<At<u64>> {
        let (value, span) = self.take(key)?;
        let DeValue::Integer(integer) = value else {
            self.wrong_type(
                key,
                "a whole number",
                value,
                span,
                &format!("write `{key} = {}`", within.start()),
            );
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX);
        let number = u64::try_from(number).map_err(|_| number < 0);
        let bounds = format!("write a number from {} to {}", within.start(), within.end());
        match number {
            Ok(value) if within.contains(&value) => return Some(At { value, span }),
            Err(true) => self.bad(key, span, "must not be negative", &bounds),
            Ok(value) if value < *within.start() => self.bad(key, span, "is too small", &bounds),
            Ok(_) | Err(false) => self.bad(key, span, "is too large", &bounds),
        }
        None
    }

    /// A duration such as `"30s"` within bounds.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        within: RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        self.with_unit(key, "a duration such as \"30s\"", "s", units::duration, units::show_duration, within)
    }

    /// A size such as `"64KiB"` within bounds, in octets.
    pub(super) fn size(&mut self, key: &'static str, within: RangeInclusive<u64>) -> Option<At<u64>> {
        self.with_unit(
            key,
            "a size such as \"64KiB\"",
            "B",
            units::size,
            |size| units::show_size(*size),
            within,
        )
    }

    /// A rate such as `"10/s burst 40"`.
    pub(super) fn rate(&mut self, key: &'static str) -> Option<At<Rate>> {
        let example = format!("write `{key} = \"10/s burst 40\"`");
        match self.take(key)? {
            (DeValue::String(text), span) => match units::rate(text) {
                Ok(value) => return Some(At { value, span }),
                Err(why) => self.bad(key, span, "is not a rate", &why),
            },
            (other, span) => self.wrong_type(key, "a rate such as \"10/s burst 40\"", other, span, &example),
        }
        None
    }

    /// A rate of octets such as `"8MiB/s burst 32MiB"`.
    pub(super) fn byte_rate(&mut self, key: &'static str) -> Option<At<Rate>> {
        let example = format!("write `{key} = \"8MiB/s burst 32MiB\"`");
        match self.take(key)? {
            (DeValue::String(text), span) => match units::byte_rate(text) {
                Ok(value) => return Some(At { value, span }),
                Err(why) => self.bad(key, span, "is not a rate of octets", &why),
            },
            (other, span) => {
                self.wrong_type(key, "a rate such as \"8MiB/s burst 32MiB\"", other, span, &example);
            }
        }
        None
    }

    /// Says that a key must not stand here, if it does.
    pub(super) fn refuse(&mut self, key: &'static str, why: &str, help: &str) -> bool {
        let Some(span) = self.place(key) else { return false };
        self.notes.error(Some(span), format!("`{}` {why}", self.path(key)), help);
        true
    }

    /// Says that a value does not do.
    pub(super) fn bad(&self, key: &str, span: Span, why: &str, help: &str) {
        self.notes.error(Some(span), format!("`{}` {why}", self.path(key)), help);
    }

    /// Says that a value is among those that were `seen` at the same key of other tables, or
    /// adds it to them.
    pub(super) fn distinct(
        &self,
        key: &str,
        value: &At<String>,
        seen: &mut Vec<String>,
        why: &str,
        help: &str,
    ) {
        if seen.contains(&value.value) {
            self.bad(key, value.span.clone(), why, help);
        } else {
            seen.push(value.value.clone());
        }
    }

    /// Points out a value that is weaker than the default.
    pub(super) fn loosened(&self, key: &str, span: Span, default: &str, cost: &str) {
        let message = format!("`{}` is looser than the default, {default}", self.path(key));
        self.notes.warning(Some(span), message, cost);
    }

    /// Ends the walk over this table: what was not asked for is unknown.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for (key, _) in table.iter().filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let message = format!("unknown key {}{}", quoted(name), self.inside());
            let help = self.unknown(name);
            self.notes.error(Some(key.span()), message, help);
        }
    }

    fn unknown(&self, name: &str) -> String {
        let near = self
            .asked
            .iter()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
            .min();
        if let Some((_, known)) = near {
            return format!("did you mean `{known}`?");
        }
        let mut known = self.asked.clone();
        if mask::suggests_secret(&name.to_ascii_lowercase()) {
            return "no secret stands in this file: put it into a file of mode 0600, for a key that names a file"
                .to_owned();
        }
        known.sort_unstable();
        known.dedup();
        format!("known keys{}: {}", self.inside(), known.join(", "))
    }

    fn inside(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) }
    }

    fn take(&mut self, key: &'static str) -> Option<(&'a DeValue<'a>, Span)> {
        self.asked.push(key);
        let value = self.table?.get(key)?;
        Some((value.get_ref(), value.span()))
    }

    fn with_unit<T: PartialOrd>(
        &mut self,
        key: &'static str,
        what: &str,
        unit: &str,
        parse: fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
        within: RangeInclusive<T>,
    ) -> Option<At<T>> {
        let (value, span) = self.take(key)?;
        let text = match value {
            DeValue::String(text) => text,
            DeValue::Integer(number) => {
                let help =
                    format!("write `{key} = \"{}{unit}\"`", number.as_str().trim_start_matches(['-', '+']));
                self.bad(key, span, "needs a unit", &help);
                return None;
            }
            other @ (DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_)) => {
                let help = format!("write `{key} = \"{}\"`", show(within.start()));
                self.wrong_type(key, what, other, span, &help);
                return None;
            }
        };
        let bounds = format!("write a value from \"{}\" to \"{}\"", show(within.start()), show(within.end()));
        match parse(text) {
            Ok(value) if within.contains(&value) => return Some(At { value, span }),
            Ok(value) if value < *within.start() => self.bad(key, span, "is too small", &bounds),
            Ok(_) => self.bad(key, span, "is too large", &bounds),
            Err(why) => self.bad(key, span, &format!("is not {what}"), &why),
        }
        None
    }

    fn wrong_type(&self, key: &str, wanted: &str, found: &DeValue<'_>, span: Span, help: &str) {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.bad(key, span, &format!("must be {wanted}, not {found}"), help);
    }
}
