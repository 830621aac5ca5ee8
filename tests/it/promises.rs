//! Owns the rule that what SECURITY.md promises is what the tests prove.
//! Never knows what a test does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many attacks the catalogue has.
const CATALOGUE: u32 = 171;

/// The cells of every line below a head, until a line that is no row.
fn rows<'a>(text: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let mut rows = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == head {
            let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
            let table = lines.by_ref().take_while(|line| line.starts_with('|'));
            rows.extend(table.filter(|line| !line.starts_with("| ---")).map(cells));
        }
    }
    rows
}

fn security() -> String {
    fs::read_to_string("SECURITY.md").expect("SECURITY.md")
}

/// The names between backticks that have the form of a test's.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    cell.split('`').skip(1).step_by(2).filter(is_name)
}

/// Rust's tests below a folder.
fn collect_rust(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_rust(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                is_test |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
                let name = line.split_once("fn ").and_then(|(_, name)| name.split_once('('));
                if let (true, Some((name, _))) = (is_test, name) {
                    into.insert(name.to_owned());
                    is_test = false;
                }
            }
        }
    }
}

/// The claims of the clients, with their words joined.
fn collect_clients(into: &mut BTreeSet<String>) {
    for entry in fs::read_dir("tests/clients").expect("a folder") {
        let path = entry.expect("an entry").path();
        let Some(extension) = path.extension() else { continue };
        let text = fs::read_to_string(&path).expect("a script");
        let start = if extension == "py" { "async def " } else { "await claim(\"" };
        for line in text.lines().filter_map(|line| line.strip_prefix(start)) {
            let name = line.split(['(', '"']).next().unwrap_or_default();
            into.insert(name.replace([',', ':'], "").replace(' ', "_"));
        }
    }
}

fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    collect_rust(Path::new("src"), &mut tests);
    collect_rust(Path::new("tests"), &mut tests);
    collect_clients(&mut tests);
    tests
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let (security, tests) = (security(), tests());
    let promises = rows(&security, "| promise | test |");
    assert!(promises.len() > 50, "{}", promises.len());
    let of_catalogue = rows(&security, "| row | what is sent | test |");
    for cells in promises.iter().chain(&of_catalogue) {
        let cell = cells.last().expect("a cell");
        if cells.len() == 3 && cell.starts_with("gap: ") {
            continue;
        }
        assert!(names(cell).next().is_some(), "no test: {cells:?}");
        for name in names(cell) {
            assert!(tests.contains(name), "SECURITY.md names a test that is not there: {name}");
        }
    }
}

#[test]
fn every_attack_of_the_catalogue_has_its_row() {
    let security = security();
    let mut next = 1;
    for cells in rows(&security, "| row | what is sent | test |") {
        let number = |text: &str| text.parse::<u32>().unwrap_or_else(|fault| panic!("{fault}: {cells:?}"));
        let (first, last) = cells[0].split_once('-').unwrap_or((cells[0], cells[0]));
        assert_eq!(number(first), next, "one row after the other: {cells:?}");
        assert!(number(last) >= next, "{cells:?}");
        next = number(last) + 1;
    }
    assert_eq!(next, CATALOGUE + 1);
}
