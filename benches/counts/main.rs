//! Owns the guard of the hot paths: instructions of each, counted by callgrind, held against the last
//! count in `last.txt`. A count is repeatable where a time is not.
//! Never knows a socket.
//!
//! `cargo bench --bench counts` fails where a path takes over a twentieth, and 32 instructions, more than it did;
//! `-- --keep` writes down what it takes now. It needs valgrind, and is meant for x86-64, where the
//! counts were taken.

mod cases;
#[path = "../parts/mod.rs"]
mod parts;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

type Fault = Box<dyn Error>;

/// Rounds of the two runs whose difference leaves out all that happens once.
const ROUNDS: [u64; 2] = [20, 120];

fn main() -> Result<ExitCode, Fault> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&count_all()?),
        ["--keep"] => keep(&count_all()?),
        ["--case", name, rounds] => {
            let case = cases::ALL.iter().find(|case| case.name == name).ok_or("no such case")?;
            (case.run)(rounds.parse()?)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err("usage: cargo bench --bench counts [-- --keep]".into()),
    }
}

/// Instructions of one round of each case.
fn count_all() -> Result<BTreeMap<&'static str, u64>, Fault> {
    let mut counts = BTreeMap::new();
    for case in cases::ALL {
        let [few, many] = ROUNDS;
        let more = count(case.name, many)?.checked_sub(count(case.name, few)?);
        counts.insert(case.name, more.ok_or("more rounds took fewer instructions")? / (many - few));
    }
    Ok(counts)
}

/// Instructions of a whole run of this program with one case.
fn count(name: &str, rounds: u64) -> Result<u64, Fault> {
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--case", name, &rounds.to_string()])
        .output()
        .map_err(|fault| format!("valgrind: {fault}"))?;
    let told = String::from_utf8_lossy(&ran.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count);
    match collected {
        Some(count) if ran.status.success() => Ok(count.trim().parse()?),
        Some(_) | None => Err(format!("{name}: {told}").into()),
    }
}

fn compare(counts: &BTreeMap<&str, u64>) -> Result<ExitCode, Fault> {
    let kept = read_kept()?;
    let mut grown = 0;
    println!("{:<28}{:>12}{:>12}{:>9}", "instructions of", "last", "now", "change");
    for (name, now) in counts {
        let last = *kept.get(*name).ok_or_else(|| format!("{name} is not in last.txt: run with --keep"))?;
        let thousandths = (i128::from(*now) - i128::from(last)) * 1000 / i128::from(last.max(1));
        // The same copy takes another processor's library a few instructions more.
        let is_more = *now > last + last / 20 + 32;
        grown += u32::from(is_more);
        let note = if is_more { "  too many" } else { "" };
        println!(
            "{name:<28}{last:>12}{now:>12}{:>8.1}%{note}",
            f64::from(i32::try_from(thousandths)?) / 10.0
        );
    }
    Ok(if grown == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keep(counts: &BTreeMap<&str, u64>) -> Result<ExitCode, Fault> {
    let mut text = String::from(
        "# Instructions of one round of each case, by callgrind: cargo bench --bench counts -- --keep\n",
    );
    for (name, count) in counts {
        writeln!(text, "{name} {count}")?;
    }
    fs::write(kept_file(), &text)?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn read_kept() -> Result<BTreeMap<String, u64>, Fault> {
    let text = fs::read_to_string(kept_file())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, count) = line.split_once(' ').ok_or("last.txt: a name and a count in each line")?;
            Ok((name.to_owned(), count.parse()?))
        })
        .collect()
}

fn kept_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts/last.txt")
}
