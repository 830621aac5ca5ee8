//! Owns `portcullis probe`: one attack after the other against an endpoint, at a bounded rate.
//! Never knows a rule of the gateway: it sees answers, as any tester would.

mod attack;
mod connection;
mod endpoint;
mod frames;
mod handshakes;
mod judge;
mod report;
mod request;
mod tokens;
mod transport;

use super::Stop;
use super::args::ProbeArgs;
use crate::net::tls::ClientTls;
use attack::{Attack, Attempt};
use connection::{Connection, Route};
use endpoint::Endpoint;
use judge::{Baseline, Response, Verdict};
use report::{Outcome, Report};
use request::Honest;
use std::io::{self, Write};
use std::time::Duration;

/// Between two connections: below what an endpoint would call too fast, so that its checks answer and
/// not its limits.
const PAUSE: Duration = Duration::from_millis(140);
/// After the endpoint said that it was too fast all the same.
const LONG_PAUSE: Duration = Duration::from_millis(2500);
const NEEDS_ADMISSION: &str = "the honest handshake is refused: give --origin and --token";
const NEEDS_TOKEN: &str = "there is no token: give --token";

/// Probes, reports, and gives the exit status: 0 no finding, 1 findings.
pub(super) fn run(args: &ProbeArgs, out: &mut dyn Write) -> Result<u8, Stop> {
    let endpoint = Endpoint::parse(&args.url).map_err(Stop::usage)?;
    let honest = Honest {
        host: endpoint.host.clone(),
        target: endpoint.target.clone(),
        origin: args.origin.clone().unwrap_or_else(|| endpoint.own_origin()),
        token: args.token.clone(),
    };
    if !is_field_value(&honest.origin) || !honest.token.as_deref().is_none_or(is_field_value) {
        return Err(Stop::usage("--origin and --token are visible ASCII without spaces"));
    }
    let (route, baseline) = reach(endpoint, args, &honest)?;
    let probe = Probe { route, honest, baseline };
    let attacks = [transport::TRANSPORT, handshakes::HANDSHAKES, tokens::TOKENS, frames::FRAMES];
    let outcomes = attacks.iter().copied().flatten().map(|attack| probe.outcome(attack)).collect();
    let report = Report { target: probe.route.endpoint.shown(), baseline, outcomes };
    let text = report.written(args.format);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Stop::usage)?;
    Ok(u8::from(report.findings().next().is_some()))
}

fn is_field_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Finds the endpoint, and how it answers a handshake with nothing wrong in it.
fn reach(endpoint: Endpoint, args: &ProbeArgs, honest: &Honest) -> Result<(Route, Baseline), Stop> {
    let tls = match (endpoint.is_tls, &args.ca) {
        (false, _) => None,
        (true, None) => Some(ClientTls::trusting_the_system().map_err(Stop::usage)?),
        (true, Some(path)) => {
            let told = |error: String| Stop::usage(format!("{}: {error}", path.display()));
            let pem = std::fs::read(path).map_err(|error| told(error.to_string()))?;
            Some(ClientTls::trusting(&pem).map_err(told)?)
        }
    };
    let shown = endpoint.shown();
    let addresses = endpoint.addresses().map_err(Stop::usage)?;
    let mut route = None;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let tried = Route { endpoint: endpoint.clone(), address, tls: tls.clone() };
        match tried.open() {
            Ok(connection) => {
                route = Some((tried, connection));
                break;
            }
            Err(error) => last = error,
        }
    }
    let Some((route, mut connection)) = route else {
        let help = if endpoint.is_tls { " (--ca FILE names who vouches for its certificate)" } else { "" };
        return Err(Stop::usage(format!("{shown} cannot be reached: {last}{help}")));
    };
    connection.send(&honest.request().octets());
    let seen = connection.read_until(Response::is_there);
    let response = Response::parse(&seen.octets)
        .ok_or_else(|| Stop::usage(format!("{shown} does not answer in HTTP")))?;
    match response.status {
        101 if response.is_admitted() => Ok((route, Baseline::Admitted)),
        101 => Err(Stop::usage(format!("{shown} answers with 101, but not as RFC 6455 says"))),
        status => Ok((route, Baseline::Refused(status))),
    }
}

struct Probe {
    route: Route,
    honest: Honest,
    baseline: Baseline,
}

impl Probe {
    fn outcome(&self, attack: &'static Attack) -> Outcome {
        let mut verdict = self.attempt(attack);
        if let Ok(Verdict::NotTested(why)) = &verdict
            && why.starts_with(judge::ENOUGH)
        {
            std::thread::sleep(LONG_PAUSE);
            verdict = self.attempt(attack);
        }
        let verdict =
            verdict.unwrap_or_else(|error| Verdict::NotTested(format!("no connection: {}", error.kind())));
        Outcome { attack, verdict }
    }

    /// A connection, not too soon after the last one.
    fn open(&self) -> io::Result<Connection> {
        std::thread::sleep(PAUSE);
        self.route.open()
    }

    fn open_bare(&self) -> io::Result<Connection> {
        std::thread::sleep(PAUSE);
        self.route.open_bare()
    }

    fn attempt(&self, attack: &Attack) -> io::Result<Verdict> {
        let token = self.honest.token.as_deref();
        let handshake = |request: request::Request| {
            let mut connection = self.open()?;
            connection.send(&request.octets());
            Ok(judge::refusal(&connection.read_until(Response::is_there), self.baseline))
        };
        match attack.attempt {
            Attempt::Handshake(change) => handshake(change(&self.honest)),
            Attempt::WithToken(change) => {
                match token.ok_or(NEEDS_TOKEN).and_then(|token| change(&self.honest, token)) {
                    Ok(request) => handshake(request),
                    Err(why) => Ok(why.into()),
                }
            }
            Attempt::Forged(forge) => {
                match token.ok_or(NEEDS_TOKEN).and_then(|token| tokens::forge(&self.honest, token, forge)) {
                    Ok(request) => handshake(request),
                    Err(why) => Ok(why.into()),
                }
            }
            Attempt::Second(change) => {
                let mut connection = self.open()?;
                connection.send(&change(&self.honest).octets());
                Ok(judge::second(&connection.read_until(judge::is_second_there)))
            }
            Attempt::Echo(change, word) => {
                let mut connection = self.open()?;
                connection.send(&change(&self.honest).octets());
                Ok(judge::echo(&connection.read_until(Response::is_there), word))
            }
            Attempt::Frames(octets) => self.in_session(|session| {
                session.send(&[octets(), frames::masked(0x89, frames::PING)].concat());
                let over = |ping: &'static [u8]| {
                    move |octets: &[u8]| judge::answers(octets, ping) || judge::is_closing(octets)
                };
                let mut seen = session.read_until(over(frames::PING));
                if judge::answers(&seen.octets, frames::PING) {
                    // Pings may be answered at once, and messages looked at after them.
                    std::thread::sleep(PAUSE);
                    session.send(&frames::masked(0x89, frames::LAST_PING));
                    seen = session.read_until(over(frames::LAST_PING));
                }
                judge::ends(&seen)
            }),
            Attempt::CloseCode(octets, code) => self.in_session(|session| {
                session.send(&octets());
                judge::tells(&session.read_until(judge::is_closing), code)
            }),
            Attempt::CloseEcho => self.in_session(|session| {
                session.send(&frames::masked(0x88, &1000_u16.to_be_bytes()));
                judge::echoes_close(&session.read_until(|_| false))
            }),
            Attempt::Hello(version, suites) => self.hello(version, suites),
            Attempt::Cleartext => self.cleartext(),
            Attempt::NoTls => Ok(self.no_tls()),
            Attempt::Never(why) => Ok(why.into()),
        }
    }

    /// An open session, and what is done in it.
    fn in_session(&self, act: impl Fn(&mut Connection) -> Verdict) -> io::Result<Verdict> {
        if self.baseline != Baseline::Admitted {
            return Ok(NEEDS_ADMISSION.into());
        }
        let mut connection = self.open()?;
        connection.send(&self.honest.request().octets());
        let seen = connection.read_until(Response::is_there);
        let Some(response) = Response::parse(&seen.octets).filter(Response::is_admitted) else {
            return Ok(judge::refusal(&seen, self.baseline).into_not_tested());
        };
        connection.keep(response.rest().to_vec());
        Ok(act(&mut connection))
    }

    fn hello(&self, version: u16, suites: &[u16]) -> io::Result<Verdict> {
        const TLS: &str = "the URL is not of wss://";
        if self.route.tls.is_none() {
            return Ok(TLS.into());
        }
        let mut connection = self.open_bare()?;
        connection.send(&transport::client_hello(version, suites, &self.route.endpoint.name));
        let seen = connection.read_until(|octets| octets.len() > 5);
        Ok(match transport::is_server_hello(&seen.octets) {
            true => Verdict::Finding("answered with a ServerHello".to_owned()),
            false => Verdict::Withstood("refused".to_owned()),
        })
    }

    fn cleartext(&self) -> io::Result<Verdict> {
        if self.route.tls.is_none() {
            return Ok("the URL is not of wss://".into());
        }
        let mut connection = self.open_bare()?;
        connection.send(&self.honest.request().octets());
        let seen = connection.read_until(Response::is_there);
        Ok(match Response::parse(&seen.octets) {
            Some(response) if response.status == 101 => Verdict::Finding("answered with 101".to_owned()),
            Some(response) => Verdict::Withstood(format!("refused with {}", response.status)),
            None => Verdict::Withstood("not answered in HTTP".to_owned()),
        })
    }

    fn no_tls(&self) -> Verdict {
        match (self.route.endpoint.is_tls, self.route.endpoint.is_loopback()) {
            (true, _) => Verdict::Withstood("the endpoint speaks TLS".to_owned()),
            (false, true) => "nothing leaves this machine".into(),
            (false, false) => Verdict::Finding("the endpoint speaks without TLS".to_owned()),
        }
    }
}
