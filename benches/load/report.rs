//! Owns the figures as they are shown: a line of JSON for each measurement, a table of medians.
//! Never knows what they mean.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What one measurement found, in the order of the columns.
#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

struct Figure {
    name: &'static str,
    value: f64,
    /// Anything but 0 is a fault.
    is_loss: bool,
}

/// All figures so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    binary: &'static str,
    measurement: String,
    figures: Figures,
}

impl Figures {
    pub(crate) fn put(&mut self, name: &'static str, value: f64) {
        self.0.push(Figure { name, value, is_loss: false });
    }

    /// A count that must be 0.
    pub(crate) fn lost(&mut self, name: &'static str, count: u64) {
        self.0.push(Figure { name, value: float(count), is_loss: true });
    }

    /// Of a histogram of nanoseconds.
    pub(crate) fn quantiles(&mut self, nanoseconds: &Histogram<u64>) {
        for (name, quantile) in [("p50_us", 0.5), ("p99_us", 0.99)] {
            self.put(name, float(nanoseconds.value_at_quantile(quantile)) / 1e3);
        }
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

impl Report {
    /// Takes the figures and prints their line.
    pub(crate) fn add(&mut self, binary: &'static str, measurement: &str, round: u32, figures: Figures) {
        let start = [("measurement", json!(measurement)), ("binary", json!(binary)), ("round", json!(round))];
        let rest = figures.0.iter().map(|figure| (figure.name, rounded(figure.value)));
        let line: Map<String, Value> =
            start.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value)).collect();
        println!("{}", Value::Object(line));
        self.0.push(Row { binary, measurement: measurement.to_owned(), figures });
    }

    pub(crate) fn nothing_lost(&self) -> bool {
        self.0.iter().flat_map(|row| &row.figures.0).all(|figure| !figure.is_loss || figure.value == 0.0)
    }

    /// For each measurement a line of medians for each binary, and of two the ratios.
    pub(crate) fn print_table(&self) {
        let mut shown: Vec<&str> = Vec::new();
        for row in &self.0 {
            if shown.contains(&&*row.measurement) {
                continue;
            }
            shown.push(&row.measurement);
            let columns: Vec<&str> = row.figures.0.iter().map(|figure| figure.name).collect();
            let median_of = |binary, name: &&str| median(self.values(&row.measurement, binary, name));
            let this = columns.iter().map(|name| median_of("this", name));
            let against: Vec<_> = columns.iter().map(|name| median_of("against", name)).collect();
            let ratio = columns.iter().map(|name| self.ratio(&row.measurement, name));

            eprintln!("\n{}", row.measurement);
            let widths = columns.iter().map(|name| name.len().max(CELL_MIN));
            let widths: Vec<usize> = widths.collect();
            print_line("", &widths, columns.iter().map(|name| (*name).to_owned()));
            print_line("this", &widths, this.map(cell));
            if against.iter().any(Option::is_some) {
                print_line("against", &widths, against.into_iter().map(cell));
                print_line("ratio", &widths, ratio.map(cell));
            }
        }
    }

    /// Of the attacks those that cost the server most for an octet of the attacker, in time and in memory.
    pub(crate) fn print_worst(&self) {
        for (figure, told) in [
            ("server_ns_per_octet", "ns of the server's processor time for an octet of the attacker"),
            ("server_per_attacker", "the server's processor time for that of the attacker"),
            ("held_per_octet", "octets of the server's memory for an octet of the attacker"),
        ] {
            let mut rows: Vec<(f64, &Row)> =
                self.0.iter().filter_map(|row| Some((row.figures.value(figure)?, row))).collect();
            rows.sort_by(|one, other| other.0.total_cmp(&one.0));
            if !rows.is_empty() {
                eprintln!("\nworst: {told}");
            }
            for (value, row) in rows.iter().take(WORST) {
                eprintln!("  {:>8}  {}", cell(Some(*value)), row.measurement);
            }
        }
    }

    /// One for each round.
    fn values(&self, measurement: &str, binary: &str, name: &str) -> Vec<f64> {
        let rows = self.0.iter().filter(|row| row.measurement == measurement && row.binary == binary);
        rows.filter_map(|row| row.figures.value(name)).collect()
    }

    /// The median of the ratios of the rounds: what disturbs a round disturbs both binaries.
    fn ratio(&self, measurement: &str, name: &str) -> Option<f64> {
        let [this, against] = ["this", "against"].map(|binary| self.values(measurement, binary, name));
        let ratios = this.iter().zip(&against).map(|(this, against)| this / against);
        median(ratios.filter(|ratio| ratio.is_finite()).collect())
    }
}

/// A count as a figure.
#[expect(clippy::as_conversions, reason = "no count here comes near 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some((lower + values.get(values.len() / 2)?) / 2.0)
}

/// Three decimals, none for what is large.
fn rounded(value: f64) -> Value {
    let decimals = if value.fract() == 0.0 || value.abs() >= 1000.0 { 0 } else { 3 };
    // A number without a decimal point is written without one.
    format!("{value:.decimals$}").parse().unwrap_or(Value::Null)
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn print_line(label: &str, widths: &[usize], cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
    eprintln!("  {label:<8}{}", cells.join("  "));
}

const CELL_MIN: usize = 8;
/// How many of the worst are shown.
const WORST: usize = 8;
