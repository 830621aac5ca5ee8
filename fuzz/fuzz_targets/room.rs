//! Room names, the patterns that grant them, and the paths that lead to them.
//!
//! The lines of the input are a name, a pattern, the path of a route and the path of a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::gate::{PathMatch, PathPattern};
use portcullis::room::{ROOM_NAME_BYTES_MAX, RoomName, RoomPattern};

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(4, '\n').map(Some).chain(std::iter::repeat(None));
    let mut line = || lines.next().flatten().unwrap_or_default();
    let input = Input { name: line(), pattern: line(), route: line(), path: line() };
    let name = RoomName::parse(input.name);
    assert_eq!(name.is_some(), is_name(input.name) && !input.name.is_empty());

    if let Some(pattern) = RoomPattern::parse(input.pattern) {
        let prefix = input.pattern.strip_suffix('*');
        assert!(is_name(prefix.unwrap_or(input.pattern)), "no second wildcard, nothing that is no name");
        if let Some(name) = &name {
            let granted = prefix.map_or(input.pattern == input.name, |prefix| input.name.starts_with(prefix));
            assert_eq!(pattern.grants(name), granted);
        }
    }

    let Ok(route) = PathPattern::parse(input.route) else { return };
    assert_eq!(route.has_room(), input.route.contains("{room}"));
    // Written into the route, a name is the room that comes back out, whatever stands around it.
    if let Some(name) = &name {
        let path = input.route.replace("{room}", name.as_str());
        let found = if route.has_room() { PathMatch::Room(name.clone()) } else { PathMatch::Literal };
        assert_eq!(route.capture(&path), Some(found));
    }
    // Nothing leads anywhere but by the octets of the route.
    match route.capture(input.path) {
        Some(PathMatch::Literal) => assert_eq!(input.path, input.route),
        Some(PathMatch::Room(room)) => assert_eq!(input.path, input.route.replace("{room}", room.as_str())),
        None => assert!(route.has_room() || input.path != input.route),
    }
});

struct Input<'a> {
    name: &'a str,
    pattern: &'a str,
    route: &'a str,
    path: &'a str,
}

fn is_name(text: &str) -> bool {
    text.len() <= ROOM_NAME_BYTES_MAX
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '_', '~', ':', '@', '-'].contains(&c))
}
