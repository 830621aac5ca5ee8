//! Owns the series of the upstreams in the Prometheus text format.
//! Never knows the other series.
//!
//! A label is the configured path of a route, which has no character to escape, or a place in its list.

use super::backend::Backend;
use super::upstream::Upstream;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

/// A name, its kind, what it says, and how it is read off.
type Series<'a> = (&'a str, &'a str, &'a str, &'a dyn Fn(&Upstream) -> u64);

/// Appends the state of every upstream.
pub fn render(backends: &[Arc<Backend>], now: Instant, page: &mut String) {
    if backends.is_empty() {
        return;
    }
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let series: [Series<'_>; 3] = [
        (
            "portcullis_upstream_connections",
            "gauge",
            "Connections to an upstream, by its place in the route's list.",
            &|upstream| count(upstream.connections()),
        ),
        (
            "portcullis_upstream_failures_total",
            "counter",
            "Attempts that an upstream failed, and sessions that it broke.",
            &Upstream::failures,
        ),
        (
            "portcullis_upstream_healthy",
            "gauge",
            "0 while an upstream is left alone as long as there is another.",
            &|upstream| u64::from(!upstream.is_out(now)),
        ),
    ];
    for (name, kind, help, value) in series {
        // Writing into a string cannot fail.
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for backend in backends {
            for (place, upstream) in backend.upstreams.iter().enumerate() {
                let value = value(upstream);
                let _ = writeln!(page, "{name}{{route=\"{}\",upstream=\"{place}\"}} {value}", backend.label);
            }
        }
    }
}
