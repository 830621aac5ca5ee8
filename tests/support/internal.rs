//! Owns a plain HTTP requester for the internal port and a reader of its metrics.
//! Never knows the public port.

use super::answer::Answer;
use super::{Gateway, PATIENCE};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use toml::Table;

/// Where the internal port is.
#[derive(Clone, Debug)]
pub(crate) enum Internal {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Internal {
    /// The listener that a configuration file names, if it names one.
    pub(crate) fn of_config(config: &Path, folder: &Path) -> Option<Internal> {
        let table: Table = std::fs::read_to_string(config).ok()?.parse().ok()?;
        let listen = table.get("internal")?.get("listen")?.as_str()?;
        Some(match listen.strip_prefix("unix:") {
            Some(path) => Internal::Unix(folder.join(path)),
            None => Internal::Tcp(listen.parse().ok()?),
        })
    }

    /// The Host that fits.
    pub(crate) fn host(&self) -> String {
        match self {
            Internal::Unix(_) => "localhost".to_owned(),
            Internal::Tcp(address) => address.to_string(),
        }
    }

    fn stream(&self) -> io::Result<Box<dyn Duplex>> {
        Ok(match self {
            Internal::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Internal::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        })
    }

    /// Sends these octets and reads the whole answer.
    pub(crate) fn raw(&self, octets: &[u8]) -> io::Result<Answer> {
        let mut stream = self.stream()?;
        let _ = stream.write_all(octets);
        Answer::read_whole(&mut *stream)
    }

    pub(crate) fn try_get(&self, path: &str) -> io::Result<Answer> {
        self.raw(
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host()).as_bytes(),
        )
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("the internal port answers")
    }

    /// A request with these further field lines.
    pub(crate) fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.try_ask(method, path, fields, body).expect("the internal port answers")
    }

    pub(crate) fn try_ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.host());
        }
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            head += "Content-Type: application/json\r\n";
        }
        head += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.raw(head.as_bytes())
    }

    pub(crate) fn publish(&self, body: &str) -> Answer {
        self.ask("POST", "/publish", &[], body)
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics::parse(&answer.text())
    }
}

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// Samples by name and labels.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Vec<Sample>);

/// One line of the exposition format.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Metrics {
    /// Reads the text strictly: a line that is no comment and no sample fails the test.
    pub(crate) fn parse(text: &str) -> Metrics {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Metrics(samples.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"))).collect())
    }

    pub(crate) fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// The sum of the samples of this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|own| own == value))
        };
        self.0.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// How often a reason was the outcome, refused and closed together.
    pub(crate) fn reason(&self, reason: &str) -> f64 {
        self.sum("portcullis_refusals_total", &[("reason", reason)])
            + self.sum("portcullis_closes_total", &[("reason", reason)])
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let mut found = BTreeMap::new();
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once("=\"")?;
        found.insert(key.to_owned(), value.trim_end_matches('"').to_owned());
    }
    Some(Sample { name: name.to_owned(), labels: found, value: value.parse().ok()? })
}

/// Counts a reason's outcomes before and after what `act` does.
pub(crate) fn grown(gateway: &Gateway, reason: &str, act: impl FnOnce()) -> f64 {
    let before = gateway.metrics().reason(reason);
    act();
    gateway.metrics().reason(reason) - before
}
