//! Owns where in a claims set a fact stands.
//! Never knows what the fact must look like.

use super::json::{Json, Object};

/// Where the facts are in an issuer's tokens: `[auth.issuer.claims]`. A path is the name of
/// a claim, or names with dots between them that lead into objects (`portcullis.subscribe`).
/// A claim whose whole name is the path goes first, as some issuers name claims by URLs.
#[derive(Clone, Debug)]
pub struct ClaimPaths {
    /// Who the peer is: a string.
    pub subject: Box<str>,
    /// The rooms that may be entered: an array of room patterns.
    pub subscribe: Box<str>,
    /// The rooms that may be published into: an array of room patterns.
    pub publish: Box<str>,
}

impl Default for ClaimPaths {
    fn default() -> ClaimPaths {
        ClaimPaths {
            subject: "sub".into(),
            subscribe: "portcullis.subscribe".into(),
            publish: "portcullis.publish".into(),
        }
    }
}

/// A path leads through something that is no object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnObject;

/// The value at a path, if there is one.
pub(super) fn value_at<'j, 'a>(
    claims: &'j Object<'a>,
    path: &str,
) -> Result<Option<&'j Json<'a>>, NotAnObject> {
    if let Some(value) = claims.get(path) {
        return Ok(Some(value));
    }
    let mut names = path.split('.');
    let Some(mut value) = names.next().and_then(|first| claims.get(first)) else { return Ok(None) };
    for name in names {
        match value {
            Json::Object(object) => match object.get(name) {
                Some(inner) => value = inner,
                None => return Ok(None),
            },
            Json::Integer(_) | Json::String(_) | Json::Array(_) | Json::Other => return Err(NotAnObject),
        }
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::super::json::Bounds;
    use super::*;

    #[test]
    fn a_path_leads_into_objects_and_a_whole_name_goes_first() {
        let text = r#"{"a":{"b":{"c":1}},"a.b.c":2,"d":{"e":3},"f":"x","https://example.com/rooms":4}"#;
        let claims = Object::parse(text, Bounds { depth: 4, values: 20, members: 9 }).expect("claims");
        for (path, found) in [
            ("a.b.c", Ok(Some(&Json::Integer(2)))),
            ("d.e", Ok(Some(&Json::Integer(3)))),
            ("https://example.com/rooms", Ok(Some(&Json::Integer(4)))),
            ("d.x", Ok(None)),
            ("x.e", Ok(None)),
            ("x", Ok(None)),
            ("", Ok(None)),
            ("d.", Ok(None)),
            ("f.e", Err(NotAnObject)),
            ("d.e.x", Err(NotAnObject)),
        ] {
            assert_eq!(value_at(&claims, path), found, "{path}");
        }
    }
}
