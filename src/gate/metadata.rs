//! Owns what a hub of version 1.0 tells clients about itself: its metadata as a protected resource
//! (RFC 9728), and where that is.
//! Never knows a token.

use super::admit::Gate;
use super::host::Host;
use super::mercure::{Asking, HubAnswer};
use super::route::{MercureRoute, Route};
use super::stream::Reader;
use crate::mercure::{DETAIL_TYPE, EXACT, Version};
use crate::rejection::{Answer, Field, Rejection};
use http::Method;
use http::header::ORIGIN;
use http::request::Parts;
use serde_json::json;
use std::sync::Arc;

impl Gate {
    /// The hub whose metadata has this path.
    pub(super) fn metadata_at(&self, path: &str) -> Option<(&Arc<Route>, &MercureRoute)> {
        let of = path.strip_prefix(WELL_KNOWN)?;
        let route = self.routes.iter().find(|route| *route.label == *of)?;
        let hub = route.mercure.as_deref().filter(|hub| hub.version == Version::One)?;
        Some((route, hub))
    }

    /// Where they are, for who is refused for its token: by then its Host has been judged.
    pub(super) fn metadata_for(&self, reason: Rejection, request: &Parts) -> Option<String> {
        let Answer::Refuse { field: Field::Challenge(_), .. } = reason.answer() else { return None };
        let (route, hub, _) = self.hub_at(request.uri.path())?;
        let host = Host::parse(&request.headers).ok()?;
        let is_told = hub.version == Version::One;
        is_told.then(|| format!("https://{}{WELL_KNOWN}{}", host.as_str(), route.label))
    }
}

impl Asking<'_> {
    /// Everybody may know it; a page only where it may ask the hub at all.
    pub(super) fn metadata(&self, reader: &mut Option<Reader>) -> Result<HubAnswer, Rejection> {
        if self.request.method == Method::OPTIONS {
            return self.preflight(reader);
        }
        if self.request.method != Method::GET {
            return Err(Rejection::MethodNotAllowed);
        }
        if self.request.headers.contains_key(ORIGIN) {
            let origin = self.route.origins.permit(&self.request.headers)?;
            *reader = self.reader_of(origin.origin());
        }
        let issuers = self.gate.verifier.issuers().map(|issuer| &*issuer.issuer);
        // An authorization server is named by an https URL (RFC 8414 section 2).
        let servers: Vec<&str> = issuers
            .filter(|name| name.starts_with("https://") && self.route.takes_issuer(Some(name)))
            .collect();
        let mut told = json!({
            "resource": format!("https://{}{}", self.host.as_str(), self.route.label),
            "authorization_servers": servers,
            "authorization_details_types_supported": [DETAIL_TYPE],
            "bearer_methods_supported": ["header"],
            "mercure_matcher_types_supported": [EXACT],
            "mercure_subscriptions": self.hub.settings.subscriptions,
        });
        if let (Some(cookie), Some(object)) = (&self.route.credentials.cookie, told.as_object_mut()) {
            object.insert("mercure_cookie".to_owned(), json!(&**cookie));
        }
        Ok(HubAnswer::Metadata(told))
    }
}

/// What stands before the path of a resource (RFC 9728 section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
