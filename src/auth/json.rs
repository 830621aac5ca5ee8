//! Owns strict JSON: no member twice at any depth, bounded depth and count.
//! Never knows what a member means.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// How much a text may hold. serde_json by itself takes the last of two equal members and
/// nests 128 deep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The deepest nesting: 1 is an object of plain values.
    pub(super) depth: usize,
    /// The most values in the whole text.
    pub(super) values: usize,
    /// The most members of one object (they are compared with each other).
    pub(super) members: usize,
}

/// A JSON value, as far as a token or a key set needs one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json<'a> {
    /// An integer of 0 to 2^64 - 1, written as one.
    Integer(u64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
    /// `null`, a boolean, or a number that is negative, has a fraction or an exponent, or
    /// is too big: nothing that any rule takes.
    Other,
}

/// An object; no two members have the same name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// The text is no strict JSON object within the bounds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotStrict;

impl<'a> Object<'a> {
    /// Takes a text that is one object and nothing else.
    ///
    /// # Errors
    /// [`NotStrict`] for anything else, also for a byte order mark, an unpaired surrogate
    /// escape, or two members whose names are the same once unescaped (RFC 7515 section 4
    /// and RFC 7519 section 4 leave it open to refuse those).
    pub(super) fn parse(text: &'a str, bounds: Bounds) -> Result<Object<'a>, NotStrict> {
        let left = Cell::new(bounds.values);
        let seed = Value { left: &left, depth_left: bounds.depth, members: bounds.members };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = seed.deserialize(&mut deserializer).map_err(|_| NotStrict)?;
        deserializer.end().map_err(|_| NotStrict)?;
        match value {
            Json::Object(object) => Ok(object),
            Json::Integer(_) | Json::String(_) | Json::Array(_) | Json::Other => Err(NotStrict),
        }
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of a member.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }
}

/// A value still to be read.
#[derive(Clone, Copy)]
struct Value<'b> {
    left: &'b Cell<usize>,
    depth_left: usize,
    members: usize,
}

impl Value<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Value { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut members: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if members.len() >= self.members || members.iter().any(|(member, _)| *member == name) {
                return Err(A::Error::custom("a member twice, or too many"));
            }
            members.push((name, map.next_value_seed(inner)?));
        }
        Ok(Json::Object(Object(members)))
    }
}

/// The name of a member, borrowed where it has no escape.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { depth: 4, values: 20, members: 5 };

    fn parse(text: &str) -> Result<Object<'_>, NotStrict> {
        Object::parse(text, BOUNDS)
    }

    #[test]
    fn values_are_what_they_were_written_as() {
        let object = parse(r#" {"i":1,"s":"a","e":"\u00e9","o":{"a":[1,"x"]},"m":18446744073709551615} "#)
            .expect("JSON");
        assert_eq!(object.get("i"), Some(&Json::Integer(1)));
        assert_eq!(object.get("s"), Some(&Json::String("a".into())));
        assert_eq!(object.get("e"), Some(&Json::String("\u{e9}".into())));
        assert_eq!(object.get("m"), Some(&Json::Integer(u64::MAX)));
        let Some(Json::Object(inner)) = object.get("o") else { panic!("an object") };
        assert_eq!(inner.get("a"), Some(&Json::Array(vec![Json::Integer(1), Json::String("x".into())])));
        assert_eq!(object.get("x"), None);
    }

    #[test]
    fn only_an_integer_written_as_one_is_an_integer() {
        for other in ["null", "true", "-1", "-0", "1.0", "1e3", "1.5", "1e300", "18446744073709551616"] {
            let text = format!("{{\"a\":{other}}}");
            assert_eq!(parse(&text).expect(other).get("a"), Some(&Json::Other), "{other}");
        }
    }

    #[test]
    fn a_member_twice_is_refused_at_any_depth_and_however_it_is_written() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(r#"{"a":{"a":1},"b":{"a":1},"A":2}"#).is_ok());
    }

    #[test]
    fn only_one_whole_object_is_taken() {
        for text in [
            "",
            "1",
            "\"a\"",
            "[]",
            "null",
            "{",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            "{a:1}",
            "{'a':1}",
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1e400}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00\ud800"}"#,
            "{\"a\":\"\n\"}",
            r#"{"\ud800":1}"#,
            "{}\0",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(r#"{"a":"\ud83d\ude00"}"#).is_ok());
    }

    #[test]
    fn depth_values_and_members_have_a_bound() {
        let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(parse(&deep(4)).is_ok());
        assert!(parse(&deep(5)).is_err());
        assert!(parse(&deep(50_000)).is_err());
        assert!(parse(&format!("{{\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000))).is_err());
        let wide = |count: usize| format!("{{\"a\":[{}]}}", vec!["1"; count].join(","));
        assert!(parse(&wide(18)).is_ok());
        assert!(parse(&wide(19)).is_err());
        let members = |count: usize| {
            format!("{{{}}}", (0..count).map(|i| format!("\"{i}\":1")).collect::<Vec<_>>().join(","))
        };
        assert!(parse(&members(5)).is_ok());
        assert!(parse(&members(6)).is_err());
    }
}
