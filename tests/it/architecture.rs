//! Owns the rules about `src/` itself: which floor knows which, and where rustls may be named.
//! Never knows what the code does.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors of `lib.rs`, from the ground up.
const FLOORS: [&[&str]; 5] = [
    &["rejection", "room", "origin", "peer", "secret", "endpoint"],
    &["gate", "auth", "codec", "mercure", "protocol", "broadcast", "throttle"],
    &[
        "net",
        "session",
        "internal",
        "keyring",
        "events",
        "authorize",
        "webhook",
        "outbound",
        "relay",
        "ledger",
        "sandbox",
    ],
    &["config", "gateway"],
    &["cli", "main"],
];

struct Source {
    /// Below `src/`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module right below the root that the file belongs to.
    fn room(&self) -> String {
        let first =
            self.path.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    }

    fn floor(&self) -> Option<usize> {
        let room = self.room();
        FLOORS.iter().position(|rooms| rooms.contains(&room.as_str()))
    }

    /// The code without comments and without what only tests see; the lines keep their numbers.
    fn code(&self) -> String {
        let mut code = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            code.push_str(without_comment(line));
            code.push('\n');
            if line.trim() == "#[cfg(test)]" {
                let indent = &line[..line.len() - line.trim_start().len()];
                let end = format!("{indent}}}");
                for (index, skipped) in lines.by_ref().enumerate() {
                    code.push('\n');
                    // An item of one line, or one that ends where it began.
                    if index == 0 && skipped.ends_with(';') || skipped == end {
                        break;
                    }
                }
            }
        }
        code
    }

    /// The files and folders of the modules that only tests see, below `src/`.
    fn test_modules(&self) -> Vec<PathBuf> {
        let folder = match self.path.file_stem().and_then(|stem| stem.to_str()) {
            Some("mod" | "lib" | "main") => self.path.with_file_name(""),
            _ => self.path.with_extension(""),
        };
        let lines: Vec<&str> = self.text.lines().collect();
        let modules = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| {
            let (_, rest) = pair[1].split_once("mod ")?;
            rest.strip_suffix(';')
        });
        modules.flat_map(|name| [folder.join(name), folder.join(format!("{name}.rs"))]).collect()
    }
}

fn without_comment(line: &str) -> &str {
    let at = line.match_indices("//").map(|(at, _)| at).find(|at| !line[..*at].ends_with(':'));
    at.map_or(line, |at| &line[..at])
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a file");
                found.push(Source { path: path.strip_prefix(&root).expect("below src").to_owned(), text });
            }
        }
    }
    let tests: Vec<PathBuf> = found.iter().flat_map(Source::test_modules).collect();
    assert!(tests.len() > 5, "the tests were found");
    found.retain(|source| !tests.iter().any(|test| source.path.starts_with(test)));
    assert!(found.len() > 50, "src/ was read");
    found
}

/// The root modules that code names by `crate::x` or `crate::{x, y::z}` (`portcullis::` in the binary).
fn named_rooms(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for prefix in ["crate::", "portcullis::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(list) => rooms.extend(first_names(list)),
                None => rooms.extend(identifier(rest)),
            }
        }
    }
    rooms
}

/// The first segments of the paths in a `{...}` list, nested lists skipped.
fn first_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && !character.is_whitespace() => {
                names.extend(identifier(&list[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn every_file_stands_on_a_floor() {
    for source in sources().iter().filter(|source| source.path != Path::new("lib.rs")) {
        assert!(source.floor().is_some(), "{} is on no floor of lib.rs", source.path.display());
    }
}

#[test]
fn no_floor_knows_a_higher_one() {
    for source in sources() {
        let Some(floor) = source.floor() else { continue };
        for room in named_rooms(&source.code()) {
            let other = FLOORS.iter().position(|rooms| rooms.contains(&room.as_str()));
            assert!(
                other.is_none_or(|other| other <= floor),
                "{} on floor {floor} names crate::{room}, which is above it",
                source.path.display()
            );
        }
    }
}

#[test]
fn the_map_in_lib_rs_is_this_one() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    for (floor, rooms) in FLOORS.iter().enumerate() {
        let row = map.lines().find(|line| line.starts_with(&format!("//! | {floor} |"))).expect("a row");
        for room in rooms.iter().filter(|room| **room != "main") {
            assert!(row.contains(&format!("[`{room}`]")), "{room} is not on floor {floor} of lib.rs");
        }
    }
}

#[test]
fn a_decision_needs_no_socket_no_clock_and_no_log() {
    // Of tokio only what one task tells another, which is neither a socket nor a clock.
    const ACTS: [&str; 14] = [
        "tokio::fs",
        "tokio::io",
        "tokio::net",
        "tokio::spawn",
        "tokio::task",
        "tokio::time",
        "std::net::Tcp",
        "std::fs",
        "std::io::Read",
        "Instant::now",
        "SystemTime::now",
        "log::",
        "println!",
        "hyper::",
    ];
    for source in sources().iter().filter(|source| source.floor().is_some_and(|floor| floor < 2)) {
        let code = source.code();
        for act in ACTS {
            let own = code
                .match_indices(act)
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            assert!(!own, "{} names {act}", source.path.display());
        }
    }
}

#[test]
fn rustls_is_known_where_peers_come_in_and_where_we_go_out() {
    const PLACES: [&str; 3] = ["net/tls", "outbound/tls.rs", "outbound/stream.rs"];
    let others = sources();
    for source in others.iter().filter(|source| !PLACES.iter().any(|place| source.path.starts_with(place))) {
        let names_rustls = source.code().contains("rustls::");
        assert!(!names_rustls, "{} names rustls outside of its places", source.path.display());
    }
}

#[test]
fn nothing_outside_of_tests_unwraps_or_panics() {
    for source in sources() {
        for (index, line) in source.code().lines().enumerate() {
            for bad in [".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!("] {
                assert!(!line.contains(bad), "{}:{}: {bad}", source.path.display(), index + 1);
            }
        }
    }
}

#[test]
fn every_file_opens_with_what_it_owns_and_stays_short() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "{} does not say what it owns", source.path.display());
        let lines = source.text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", source.path.display());
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for source in sources() {
        assert!(!source.code().contains("unsafe {"), "{}", source.path.display());
    }
}

#[test]
fn the_reader_of_paths_reads_lists() {
    let code = "use crate::{gate::{Gate, net}, room, config::Config}; crate::auth::Key; crate::rejection";
    assert_eq!(named_rooms(code), ["gate", "room", "config", "auth", "rejection"]);
    assert_eq!(without_comment("let url = \"https://x\"; // crate::cli"), "let url = \"https://x\"; ");
}
