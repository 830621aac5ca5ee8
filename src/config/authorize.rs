//! Owns `[authorize]`: what the backend is asked about, and where.
//! Never knows a session.

use super::document::{At, Section};
use super::files::Folder;
use super::hook;
use super::mask::quoted;
use crate::authorize::{OnFailure, Settings};
use crate::gate::Route;
use std::sync::Arc;
use std::time::Duration;

/// Takes `[authorize]`, if it is there.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Folder,
    routes: &[Arc<Route>],
    handshake_timeout: Duration,
) -> Option<Settings> {
    if !section.is_present() {
        return None;
    }
    let hook = hook::read(&mut section, folder, TIMEOUT, TIMEOUT_MAX);
    if hook.as_ref().is_some_and(|hook| hook.timeout >= handshake_timeout) {
        let span = section.place("timeout").or_else(|| section.span());
        let help = "write a shorter `timeout`: the answer is awaited before the 101";
        section.notes().warning(
            span,
            "`authorize.timeout` is not shorter than `limits.handshake_timeout`",
            help,
        );
    }
    let on = on(&mut section);
    let labels = named_routes(&mut section, routes);
    if let (Some([_, _, true]), Some(labels)) = (&on, &labels) {
        point_out_unheard(&mut section, routes, labels.as_deref());
    }
    let on_failure = on_failure(&mut section);
    let concurrent = section.number("concurrent", 1..=10_000).map_or(CONCURRENT, |at| at.value);
    section.finish();
    let [connect, join, message] = on?;
    let concurrent = usize::try_from(concurrent).ok()?;
    Some(Settings {
        hook: hook?,
        connect,
        join,
        message,
        routes: labels?,
        on_failure: on_failure?,
        concurrent,
    })
}

/// Takes `on`: which of the three are asked for.
fn on(section: &mut Section<'_>) -> Option<[bool; 3]> {
    let help = format!("write some of {}", MATTERS.join(", "));
    if section.place("on").is_none() {
        section.missing("on", &help);
        return None;
    }
    let given = section.strings("on")?;
    if given.value.is_empty() {
        section.bad("on", given.span, "is empty", &help);
        return None;
    }
    let mut on = [false; 3];
    let mut good = true;
    for name in given.value {
        match MATTERS.iter().zip(&mut on).find(|(matter, _)| **matter == name.value) {
            Some((_, asked)) => *asked = true,
            None => {
                section.bad("on", name.span, &format!("has {}", quoted(&name.value)), &help);
                good = false;
            }
        }
    }
    good.then_some(on)
}

/// Takes `routes`; the outer `None` where one is no route, the inner one for all of them.
fn named_routes(section: &mut Section<'_>, routes: &[Arc<Route>]) -> Option<Option<Vec<Arc<str>>>> {
    if section.place("routes").is_none() {
        return Some(None);
    }
    let mut labels = Vec::new();
    let mut good = true;
    for At { value, span } in section.strings("routes")?.value {
        match routes.iter().find(|route| *route.label == *value) {
            Some(route) => labels.push(Arc::clone(&route.label)),
            None => {
                let why = format!("has {}, which is the path of no route", quoted(&value));
                section.bad("routes", span, &why, "write the `path` of a `[[route]]` as it stands there");
                good = false;
            }
        }
    }
    good.then_some(Some(labels))
}

/// Messages are asked about in rooms alone: what goes to a backend is passed on as it comes, before a
/// message is whole, and what is published to a hub is a backend's own word.
fn point_out_unheard(section: &mut Section<'_>, routes: &[Arc<Route>], labels: Option<&[Arc<str>]>) {
    let is_about = |route: &&Arc<Route>| labels.is_none_or(|labels| labels.contains(&route.label));
    let (heard, unheard): (Vec<_>, Vec<_>) =
        routes.iter().filter(is_about).partition(|route| route.has_rooms());
    let Some(span) = section.place("on").filter(|_| !unheard.is_empty()) else { return };
    if heard.is_empty() {
        let help = "take \"message\" out, or name a route of the kind broadcast in `routes`";
        section.bad(
            "on",
            span,
            "has \"message\", which is asked on routes of the kind broadcast alone",
            help,
        );
        return;
    }
    let paths: Vec<String> = unheard.iter().map(|route| quoted(&route.label)).collect();
    let message = format!("`authorize.on` has \"message\", which is never asked on {}", paths.join(", "));
    let help = "let what is behind that route judge its messages, or take \"message\" out";
    section.notes().warning(Some(span), message, help);
}

fn on_failure(section: &mut Section<'_>) -> Option<OnFailure> {
    let Some(At { value, span }) = section.string("on_failure") else { return Some(OnFailure::Refuse) };
    match value.as_str() {
        "refuse" => Some(OnFailure::Refuse),
        "allow" => {
            let cost = "whoever keeps the backend from answering is let in";
            section.loosened("on_failure", span, "\"refuse\"", cost);
            Some(OnFailure::Allow)
        }
        other => {
            let why = format!("is {}", quoted(other));
            section.bad("on_failure", span, &why, "write \"refuse\" or \"allow\"");
            None
        }
    }
}

const MATTERS: [&str; 3] = ["connect", "join", "message"];
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_MAX: Duration = Duration::from_secs(10);
const CONCURRENT: u64 = 256;
