//! Owns what may be typed: commands, flags, their defaults and their first reading.
//! Never knows what a command does with it.

use crate::ledger;
use crate::room::RoomPattern;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A security-hardened WebSocket gateway: TLS, strict handshake, Origin allowlist, JWT, rooms.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct LowArgs {
    #[command(flatten)]
    pub(super) log: LogArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How the log on stderr looks.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The least grave events that are logged
    #[arg(long, global = true, value_enum, default_value = "info", value_name = "LEVEL")]
    log_level: LogLevel,
    /// One JSON object a line, or lines for people [default: json; text for `dev` on a terminal]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the whole product on this machine: certificates, keys, configuration, chat page
    Dev(DevArgs),
    /// Run the gateway
    Serve(ServeArgs),
    /// Read a configuration and all it names, and tell every fault at once
    Check(CheckArgs),
    /// Mint a token with the configuration's signing_key; prints it alone on stdout
    Token(TokenArgs),
    /// Attack the handshake of a WebSocket endpoint, ours or not, and report what gets through
    Probe(ProbeArgs),
    /// Ask a running gateway, or order it, over its internal port
    Admin(AdminArgs),
}

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// The endpoint: ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// An origin that the endpoint admits [default: the endpoint's own]
    #[arg(long, value_name = "ORIGIN")]
    pub(super) origin: Option<String>,
    /// A token that it admits; without one, what needs an open session is not tested
    #[arg(long, value_name = "TOKEN")]
    pub(super) token: Option<String>,
    /// A PEM file with who vouches for its certificate [default: whom this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// For people, or for machines
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(super) format: ProbeFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProbeFormat {
    Table,
    Json,
    Junit,
    Sarif,
}

#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// The configuration of the running gateway [default: the file that PORTCULLIS_CONFIG names]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Lines for people, or one JSON object
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(super) format: AdminFormat,
    #[command(subcommand)]
    pub(super) command: AdminCommand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AdminFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// The state of the gateway in numbers
    Status,
    /// The open sessions, 1,000 at most
    Connections,
    /// The rooms and how many members each has, 1,000 at most
    Rooms,
    /// End the sessions of a subject; its tokens stay good
    Kick(KickArgs),
    /// Refuse a token, or a subject's tokens up to now, and end what stands on them
    Revoke(RevokeArgs),
    /// Close every session and end, as SIGTERM does
    Drain,
    /// Read the configuration, certificates and keys anew, as SIGHUP does
    Reload,
}

#[derive(Debug, Args)]
pub(super) struct KickArgs {
    /// Whose sessions
    #[arg(long, value_name = "NAME")]
    pub(super) subject: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct RevokeArgs {
    /// The token's identifier
    #[arg(long, value_name = "ID")]
    pub(super) jti: Option<String>,
    /// Whose tokens
    #[arg(long, value_name = "NAME")]
    pub(super) subject: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443", value_parser = listen)]
    pub(super) listen: SocketAddr,
    /// The folder for what is made once: certificates, keys, portcullis.toml
    #[arg(long, value_name = "FOLDER", default_value = ".portcullis")]
    pub(super) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Replace the gateway that runs with this configuration, if one does: it hands its listening
    /// sockets over, tells its sessions to come back (1012), and ends; nobody who connects is lost
    #[arg(long)]
    pub(super) take_over: bool,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/portcullis/portcullis.toml")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Count warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The configuration whose signing_key signs
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The subject: who the token is for
    #[arg(long, value_name = "NAME", value_parser = subject)]
    pub(super) sub: String,
    /// A room to enter, or a prefix of rooms that ends in *; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub(super) subscribe: Vec<RoomPattern>,
    /// A room to write into, or a prefix of rooms that ends in *; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub(super) publish: Vec<RoomPattern>,
    /// How long the token lasts: a number and s, m, h or d
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = ttl)]
    pub(super) ttl: Duration,
    /// The PEM file of the certificate that the token is good with alone (cnf.x5t#S256, RFC 8705)
    #[arg(long, value_name = "FILE")]
    pub(super) cnf_certificate: Option<PathBuf>,
}

/// Reads argv; an error is ready to be printed (also the text of `--help` is one).
pub(super) fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<LowArgs, clap::Error> {
    LowArgs::try_parse_from(argv)
}

impl LogArgs {
    pub(super) fn level(&self) -> ledger::Level {
        match self.log_level {
            LogLevel::Error => ledger::Level::Error,
            LogLevel::Warn => ledger::Level::Warn,
            LogLevel::Info => ledger::Level::Info,
            LogLevel::Debug => ledger::Level::Debug,
            LogLevel::Trace => ledger::Level::Trace,
        }
    }

    /// JSON unless asked otherwise: a log is read by machines first.
    pub(super) fn format(&self) -> ledger::Format {
        match self.log_format {
            None | Some(LogFormat::Json) => ledger::Format::Json,
            Some(LogFormat::Text) => ledger::Format::Text,
        }
    }

    /// As [`LogArgs::format`], but a person who looks on gets text unless asked otherwise.
    pub(super) fn format_for_people(&self) -> ledger::Format {
        if self.log_format.is_none() && std::io::stderr().is_terminal() {
            return ledger::Format::Text;
        }
        self.format()
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, such as 127.0.0.1:8443 or [::1]:8443".to_owned())
}

fn pattern(text: &str) -> Result<RoomPattern, String> {
    RoomPattern::parse(text).ok_or_else(|| {
        "write the name of a room (1 to 128 of A-Z a-z 0-9 . _ ~ : @ -), or the beginning of one and a * at its \
         end; '*' alone stands for every room"
            .to_owned()
    })
}

/// The gateway refuses a token whose subject is longer or has a control character, so
/// none is made.
fn subject(text: &str) -> Result<String, String> {
    let fits = (1..=SUBJECT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("write a name of 1 to {SUBJECT_BYTES_MAX} octets without control characters"))
}

fn ttl(text: &str) -> Result<Duration, String> {
    let read = || {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let unit = match text.strip_prefix(digits)? {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        count.checked_mul(unit).filter(|seconds| *seconds > 0).map(Duration::from_secs)
    };
    read().ok_or_else(|| "write a whole number above 0 and s, m, h or d, such as 90s, 15m or 12h".to_owned())
}

const SUBJECT_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<LowArgs, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_definition_holds_together() {
        use clap::CommandFactory;
        LowArgs::command().debug_assert();
    }

    #[test]
    fn what_is_left_out_has_the_documented_default() {
        let Command::Dev(dev) = parsed("portcullis dev").expect("dev").command else { panic!("not dev") };
        assert_eq!((dev.listen.to_string().as_str(), dev.dir), ("127.0.0.1:8443", ".portcullis".into()));
        let Command::Serve(serve) = parsed("portcullis serve").expect("serve").command else {
            panic!("not serve")
        };
        assert_eq!(serve.config, PathBuf::from("/etc/portcullis/portcullis.toml"));
        let low = parsed("portcullis token --config f --sub n").expect("token");
        assert_eq!((low.log.level(), low.log.format()), (ledger::Level::Info, ledger::Format::Json));
        let Command::Token(token) = low.command else { panic!("not token") };
        assert_eq!(token.ttl, Duration::from_secs(900));
        assert!(token.subscribe.is_empty() && token.publish.is_empty());
    }

    #[test]
    fn log_flags_stand_before_or_after_the_command() {
        for line in [
            "portcullis --log-level debug --log-format text serve",
            "portcullis serve --log-format text --log-level debug",
        ] {
            let log = parsed(line).expect(line).log;
            assert_eq!((log.level(), log.format()), (ledger::Level::Debug, ledger::Format::Text), "{line}");
        }
    }

    #[test]
    fn what_fits_is_taken() {
        for line in [
            "portcullis dev --listen [::1]:0 --dir d",
            "portcullis check --config f --strict",
            "portcullis probe wss://a/ --origin https://b --token t --ca f --format junit",
            "portcullis token --config f --sub n --subscribe a --subscribe b-* --publish * --ttl 24h",
        ] {
            assert!(parsed(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_does_not_fit_is_bad_usage_and_says_what_to_write() {
        for (line, hint) in [
            ("portcullis", "Usage"),
            ("portcullis fly", "fly"),
            ("portcullis dev --listen localhost:8443", "127.0.0.1:8443"),
            ("portcullis dev --listen 8443", "127.0.0.1:8443"),
            ("portcullis check", "--config"),
            ("portcullis token --sub n", "--config"),
            ("portcullis token --config f", "--sub"),
            ("portcullis token --config f --sub n --subscribe a/b", "'*' alone stands for every room"),
            ("portcullis token --config f --sub n --publish a*b", "'*' alone stands for every room"),
            ("portcullis token --config f --sub n --ttl 15", "15m"),
            ("portcullis token --config f --sub n --ttl 0m", "15m"),
            ("portcullis token --config f --sub n --ttl +5m", "15m"),
            ("portcullis token --config f --sub n --ttl 99999999999999999999h", "15m"),
            ("portcullis token --config f --sub n --ttl 999999999999999999h", "15m"),
            ("portcullis probe", "<URL>"),
            ("portcullis probe wss://a/ --format pdf", "sarif"),
            ("portcullis serve --log-level loud", "trace"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.use_stderr(), "{line}");
            assert!(error.to_string().contains(hint), "{line}: {error}");
        }
    }

    #[test]
    fn a_subject_that_the_gateway_would_refuse_is_not_taken() {
        for bad in ["", "a\nb", &"a".repeat(257)] {
            assert!(subject(bad).is_err(), "{bad:?}");
        }
        assert!(subject(&"a".repeat(256)).is_ok());
        assert!(subject("Zoë Ünal").is_ok());
    }
}
