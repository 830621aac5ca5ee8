//! Owns the one table of reasons: each way to say no has one name and one answer.
//! Never knows who decided, nor how the answer is written to a socket.

/// What the peer is told for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP response before the 101 (RFC 9110).
    Refuse {
        /// The status code.
        status: u16,
        /// The `code` member of the problem document; coarser than the reason for a 401.
        code: &'static str,
        /// The `title` member of the problem document: what to do about it, without an echo.
        title: &'static str,
        /// The response field that this refusal needs besides the common ones.
        field: Field,
    },
    /// A WebSocket Close frame with this code (RFC 6455 section 7.4, IANA registry).
    Close(u16),
    /// The connection ends without a word: the peer is gone, or was never one of ours.
    Drop,
}

/// The response field that a refusal must carry beside the common ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// None.
    None,
    /// `Allow: GET` (RFC 9110 section 15.5.6).
    Allow,
    /// `Allow: GET, POST`.
    AllowPost,
    /// `Upgrade: websocket` and `Connection: upgrade, close` (RFC 9110 section 15.5.22).
    Upgrade,
    /// `Upgrade` as above and `Sec-WebSocket-Version: 13` (RFC 6455 section 4.4).
    Version,
    /// `Retry-After`, in seconds.
    RetryAfter(u16),
    /// `WWW-Authenticate: Bearer` (RFC 6750 section 3), with its `error`, if one is told.
    Challenge(Option<&'static str>),
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $variant:ident $name:literal $answer:expr; )+) => {
        /// A reason to refuse, close or drop. Its name is the metric label, the `reason` of
        /// the audit line, the problem `code` (unless the row says otherwise) and the close
        /// reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rejection {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Rejection {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Rejection] = &[$( Rejection::$variant, )+];

            /// Its place in [`Rejection::ALL`].
            #[must_use]
            #[expect(clippy::as_conversions, reason = "the variants are numbered from 0 in the order of the table")]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Rejection::$variant => $name, )+ }
            }

            /// The one answer.
            #[must_use]
            pub const fn answer(self) -> Answer {
                match self { $( Rejection::$variant => $answer.named($name), )+ }
            }
        }
    };
}

impl Answer {
    /// Gives a refusal whose row names no coarser code the reason's own name as its code.
    const fn named(self, name: &'static str) -> Answer {
        match self {
            Answer::Refuse { status, code, title, field } if code.is_empty() => {
                Answer::Refuse { status, code: name, title, field }
            }
            other @ (Answer::Refuse { .. } | Answer::Close(_) | Answer::Drop) => other,
        }
    }
}

const fn refuse(status: u16, title: &'static str) -> Answer {
    Answer::Refuse { status, code: "", title, field: Field::None }
}

const fn refuse_with(status: u16, title: &'static str, field: Field) -> Answer {
    Answer::Refuse { status, code: "", title, field }
}

/// Every credential that fails looks the same from outside: no oracle (RFC 6750 section 3.1).
const CREDENTIAL_INVALID: Answer = Answer::Refuse {
    status: 401,
    code: "credential_invalid",
    title: "The credential was not accepted",
    field: Field::Challenge(Some("invalid_token")),
};

const UPGRADE: Field = Field::Upgrade;

reasons! {
    // --- before a head is complete: nothing is said
    /// A TLS handshake that did not finish in time.
    TlsTimeout "tls_timeout" Answer::Drop;
    /// A TLS handshake that failed: version, suite, SNI, ALPN or garbage. rustls sends the alert.
    TlsFailed "tls_failed" Answer::Drop;
    /// Cleartext HTTP on the TLS port.
    TlsPlaintext "tls_plaintext" Answer::Drop;
    /// A server name that is not served (RFC 6455 section 4.2.2).
    SniUnknown "sni_unknown" Answer::Drop;
    /// No certificate of the peer where one is required. rustls sends the alert.
    ClientCertificateMissing "client_certificate_missing" Answer::Drop;
    /// A certificate of the peer by a stranger, one that has run out, or one of which it cannot be
    /// known whether it is revoked.
    ClientCertificateInvalid "client_certificate_invalid" Answer::Drop;
    /// A certificate of the peer that its authority has revoked (RFC 5280 section 5).
    ClientCertificateRevoked "client_certificate_revoked" Answer::Drop;
    /// A request head that was not complete in time.
    HeadTimeout "head_timeout" Answer::Drop;
    /// The peer left before it had a WebSocket.
    HandshakeAbandoned "handshake_abandoned" Answer::Drop;
    /// The address is over ten times its rate: closed at accept.
    AddressFlood "address_flood" Answer::Drop;
    /// So many connections over a cap that they are no longer told so.
    CapacityFlood "capacity_flood" Answer::Drop;

    /// So many handshakes beyond what the gateway can do that they are no longer told so.
    OverloadFlood "overload_flood" Answer::Drop;

    /// The proxy protocol is required, and this peer is no trusted proxy.
    ProxyUntrusted "proxy_untrusted" Answer::Drop;
    /// A PROXY header that is malformed, or did not come in time.
    ProxyMalformed "proxy_malformed" Answer::Drop;

    // --- head
    /// A request head that breaks RFC 9112.
    HeadMalformed "head_malformed" refuse(400, "The request head is malformed");
    /// More octets or field lines than a head may have.
    HeadTooLarge "head_too_large" refuse(431, "The request head is too large");
    /// A request target of more than 8,000 octets (RFC 9110 section 4.1).
    UriTooLong "uri_too_long" refuse(414, "The request target is too long");
    /// Not HTTP/1.1.
    HttpVersion "http_version" refuse(400, "HTTP/1.1 is required");
    /// A body, or a field that announces one.
    Body "body" refuse(400, "A WebSocket handshake has no body");
    /// An `Expect` field.
    Expect "expect" refuse(400, "Expect does not belong to a WebSocket handshake");

    // --- load
    /// The gateway is draining.
    Draining "draining" refuse_with(503, "The gateway is going away", Field::RetryAfter(5));
    /// The gateway holds as many connections as it may.
    ConnectionsFull "connections_full" refuse_with(503, "The gateway is full", Field::RetryAfter(5));
    /// As many handshakes are under way as may be, or a worker falls behind: its sessions come first.
    Overloaded "overloaded" refuse_with(503, "The gateway is overloaded", Field::RetryAfter(5));
    /// This address holds as many connections as it may.
    AddressConnections "address_connections"
        refuse_with(429, "Too many connections from this address", Field::RetryAfter(10));
    /// This address opens connections too fast.
    AddressHandshakes "address_handshakes"
        refuse_with(429, "Too many handshakes from this address", Field::RetryAfter(1));
    /// This address sent too many bad credentials.
    AddressCredentials "address_credentials"
        refuse_with(429, "Too many failed credentials from this address", Field::RetryAfter(30));

    /// An `X-Forwarded-For` of a trusted proxy that is no list of addresses.
    ForwardedMalformed "forwarded_malformed" refuse(400, "X-Forwarded-For is malformed");

    // --- target and Host
    /// A request target that is not ours to understand (RFC 9112 section 3.2).
    TargetMalformed "target_malformed" refuse(400, "The request target is malformed");
    /// No, two or a malformed Host (RFC 9112 section 3.2).
    HostMalformed "host_malformed" refuse(400, "Exactly one well-formed Host is required");
    /// A Host that is not served (DNS rebinding).
    HostNotAllowed "host_not_allowed" refuse(421, "This host is not served here");
    /// A Host other than the name asked for in TLS (RFC 9110 section 15.5.20).
    HostMisdirected "host_misdirected" refuse(421, "The Host differs from the TLS server name");

    // --- path and method
    /// No route has this path.
    RouteNotFound "route_not_found" refuse(404, "There is nothing here");
    /// The body of `/ticket` or `/renew` is not what it must be.
    ExchangeMalformed "exchange_malformed"
        refuse(400, "The body must be {\"path\": ...} or nothing for /ticket, {\"jti\": ...} for /renew");
    /// No session stands on the token that was to be renewed.
    NothingToRenew "nothing_to_renew" refuse(404, "No session stands on that token");
    /// So many tickets wait to be used that there is no room for another.
    TicketsFull "tickets_full" refuse_with(503, "Too many tickets wait to be used", Field::RetryAfter(5));
    /// A WebSocket is opened with GET (RFC 6455 section 4.1).
    MethodNotAllowed "method_not_allowed" refuse_with(405, "Use GET", Field::Allow);

    /// What is served without a WebSocket is read with GET and written with POST.
    StreamMethod "stream_method" refuse_with(405, "Use GET or POST", Field::AllowPost);

    /// No topics, too many, or one that cannot be one; or a `Last-Event-ID` that cannot be one.
    TopicsMalformed "topics_malformed" refuse(400, "One to 100 topics are required: ?topic=...");
    /// No matchers, too many, one that cannot be one, or one of a kind that is not served.
    MatchersMalformed "matchers_malformed" refuse(400, "One to 100 exact matchers are required: ?match=...");
    /// A publication that is no form.
    PublishType "publish_type" refuse(415, "Send application/x-www-form-urlencoded");

    // --- handshake syntax (RFC 6455 section 4.2.1)
    /// No `Upgrade`.
    UpgradeMissing "upgrade_missing" refuse_with(426, "This is a WebSocket endpoint", UPGRADE);
    /// An `Upgrade` that is not exactly `websocket`.
    UpgradeMalformed "upgrade_malformed" refuse(400, "Upgrade must be exactly: websocket");
    /// A `Connection` without `upgrade`, or naming anything but it and `keep-alive`.
    ConnectionMalformed "connection_malformed"
        refuse(400, "Connection must name upgrade, and besides it keep-alive at most");
    /// A `Sec-WebSocket-Protocol` that is malformed, repeats a value or has over 16.
    SubprotocolMalformed "subprotocol_malformed" refuse(400, "Sec-WebSocket-Protocol is malformed");
    /// A `Sec-WebSocket-Extensions` that is malformed, where one is served (RFC 6455 section 9.1).
    ExtensionMalformed "extension_malformed" refuse(400, "Sec-WebSocket-Extensions is malformed");
    /// No, two or a malformed version.
    VersionMalformed "version_malformed" refuse(400, "Sec-WebSocket-Version must be exactly: 13");
    /// A version other than 13.
    VersionUnsupported "version_unsupported"
        refuse_with(426, "Only WebSocket version 13 is served", Field::Version);
    /// Not one canonical base64 of 16 octets.
    KeyMalformed "key_malformed" refuse(400, "Sec-WebSocket-Key must be base64 of 16 octets, once");

    // --- Origin and fetch metadata
    /// No Origin where one is required.
    OriginMissing "origin_missing" refuse(403, "An Origin is required");
    /// The opaque origin `null`.
    OriginNull "origin_null" refuse(403, "The origin null is never allowed");
    /// An origin that no rule allows.
    OriginNotAllowed "origin_not_allowed" refuse(403, "This origin is not allowed");
    /// Not an origin that a hub of version 1.0 serves.
    OriginMisdirected "origin_misdirected" refuse(421, "This origin is not allowed");
    /// More than one origin (RFC 6454 section 7.2).
    OriginMultiple "origin_multiple" refuse(400, "Exactly one Origin is required");
    /// Fetch metadata that no WebSocket handshake of a browser has.
    FetchMetadata "fetch_metadata" refuse(403, "The fetch metadata does not fit");

    // --- certificate of the peer
    /// No certificate where the route requires one.
    ClientCertificateRequired "client_certificate_required"
        refuse(403, "A client certificate is required here");

    // --- credential
    /// No credential in a permitted place.
    CredentialMissing "credential_missing"
        refuse_with(401, "A bearer token is required", Field::Challenge(None));
    /// More than one credential (RFC 6750 section 2).
    CredentialMultiple "credential_multiple" refuse(400, "Send exactly one credential");
    /// A token in the query (RFC 9700 section 4.3.2).
    TokenInQuery "token_in_query" refuse(400, "A token must not be sent in the query");
    /// A credential that is not `Bearer` and one token.
    CredentialMalformed "credential_malformed" CREDENTIAL_INVALID;
    /// Over 4 KiB.
    TokenTooLong "token_too_long" CREDENTIAL_INVALID;
    /// Not a signed JWT in compact form (RFC 7515 section 7.1).
    TokenMalformed "token_malformed" CREDENTIAL_INVALID;
    /// A header with `crit`, `jku`, `jwk`, `x5u`, `x5c`, `zip`, `cty` or of another type.
    TokenHeader "token_header" CREDENTIAL_INVALID;
    /// An algorithm other than the key's own.
    TokenAlgorithm "token_algorithm" CREDENTIAL_INVALID;
    /// No key of the issuer fits.
    TokenKeyUnknown "token_key_unknown" CREDENTIAL_INVALID;
    /// A signature that does not verify.
    TokenSignature "token_signature" CREDENTIAL_INVALID;
    /// A claim that is missing or of the wrong form.
    TokenClaims "token_claims" CREDENTIAL_INVALID;
    /// An issuer that is not configured.
    TokenIssuer "token_issuer" CREDENTIAL_INVALID;
    /// For another audience.
    TokenAudience "token_audience" CREDENTIAL_INVALID;
    /// Expired.
    TokenExpired "token_expired" CREDENTIAL_INVALID;
    /// Not valid yet, or issued in the future.
    TokenNotYetValid "token_not_yet_valid" CREDENTIAL_INVALID;
    /// Longer-lived than `max_token_lifetime`.
    TokenLifetime "token_lifetime" CREDENTIAL_INVALID;
    /// A ticket that is unknown, used already or too old.
    TicketUsed "ticket_used" CREDENTIAL_INVALID;
    /// A ticket for another origin or path.
    TicketMisused "ticket_misused" CREDENTIAL_INVALID;
    /// Revoked by the operator.
    TokenRevoked "token_revoked" CREDENTIAL_INVALID;
    /// Bound to another certificate than the peer has shown (RFC 8705), to something that is not known
    /// here (RFC 7800), or to none where it must be.
    TokenBinding "token_binding" CREDENTIAL_INVALID;
    /// No subject, or one that is no clean name.
    TokenSubject "token_subject" CREDENTIAL_INVALID;

    // --- limits of the subject, room
    /// This subject holds as many connections as it may.
    SubjectConnections "subject_connections"
        refuse_with(429, "Too many connections of this subject", Field::RetryAfter(10));
    /// This room has as many members as it may.
    RoomFull "room_full" refuse_with(503, "This room is full", Field::RetryAfter(10));
    /// The token grants nothing here.
    RoomNotGranted "room_not_granted" Answer::Refuse {
        status: 403,
        code: "",
        title: "The token does not grant this room",
        field: Field::Challenge(Some("insufficient_scope")),
    };
    /// A message by POST without a publish grant.
    SendNotGranted "send_not_granted" Answer::Refuse {
        status: 403,
        code: "",
        title: "The token does not grant sending into this room",
        field: Field::Challenge(Some("insufficient_scope")),
    };

    /// The token grants none of the topics.
    TopicNotGranted "topic_not_granted" Answer::Refuse {
        status: 403,
        code: "",
        title: "The token does not grant this topic",
        field: Field::Challenge(Some("insufficient_scope")),
    };

    // --- a message by POST
    /// Messages of one subject too fast.
    SendRate "send_rate" refuse_with(429, "Too many messages of this subject", Field::RetryAfter(1));
    /// A body that is longer than a message may be.
    BodyTooLarge "body_too_large" refuse(413, "The body is larger than a message may be");
    /// A body that was not complete in time.
    BodyTimeout "body_timeout" Answer::Drop;
    /// A kind of message that the route does not take.
    SendKind "send_kind" refuse(415, "This kind of message is not taken here");
    /// Text that is not UTF-8.
    SendUtf8 "send_utf8" refuse(400, "Text must be UTF-8; send application/octet-stream as what it is");
    /// A publication without topics, or with a field that cannot stand in an event.
    UpdateMalformed "update_malformed" refuse(400, "The fields are topic (one or more), data, private, id, type, retry");
    /// A topic of the hub's own.
    TopicReserved "topic_reserved" refuse(403, "That topic is one of the hub's own");
    /// A topic of the hub's own, or one that only a matcher can have, in version 1.0.
    TopicUnpublishable "topic_unpublishable" refuse(400, "That topic is one of the hub's own, or stands for all");
    /// Some worker is so far behind that nothing more is taken.
    Congested "congested" refuse_with(503, "The workers are behind: try again", Field::RetryAfter(1));
    /// The backend that is asked refused it.
    AuthorizeRefused "authorize_refused" refuse(403, "The backend does not admit this");
    /// The backend that is asked did not answer in time, or nothing that is understood.
    AuthorizeUnavailable "authorize_unavailable"
        refuse_with(503, "The backend that decides gives no answer", Field::RetryAfter(5));
    // --- backend
    /// No backend takes a connection.
    BackendUnreachable "backend_unreachable" refuse(502, "The backend cannot be reached");
    /// A backend that answers anything but a right 101.
    BackendHandshake "backend_handshake" refuse(502, "The backend did not accept the WebSocket");
    /// A backend that did not answer in time.
    BackendTimeout "backend_timeout" refuse(504, "The backend took too long");
    /// A fault of ours before the 101.
    HandshakeFailed "handshake_failed" refuse(500, "The gateway failed; it has been logged");

    // --- the end of a session
    /// The peer closed it (its code is echoed and logged).
    PeerClosed "peer_closed" Answer::Close(1000);
    /// The peer is gone without a closing handshake.
    PeerGone "peer_gone" Answer::Drop;
    /// The gateway is draining.
    Drain "drain" Answer::Close(1001);
    /// The gateway is draining, and its sockets are a successor's, or a service manager keeps them for one.
    Restart "restart" Answer::Close(1012);
    /// `max_session` is over.
    MaxSession "max_session" Answer::Close(1001);
    /// `idle_timeout` is over since its last message.
    Idle "idle" Answer::Close(1001);
    /// The backend closed it (its code is passed on and logged).
    BackendClosed "backend_closed" Answer::Close(1000);
    /// The backend is gone without a closing handshake.
    BackendGone "backend_gone" Answer::Close(1014);
    /// The backend broke the protocol; the line says how.
    BackendViolation "backend_violation" Answer::Close(1014);
    /// The backend answers no ping.
    BackendSilent "backend_silent" Answer::Close(1014);
    /// A frame without a mask (RFC 6455 section 5.1).
    FrameUnmasked "frame_unmasked" Answer::Close(1002);
    /// A server's frame with a mask (section 5.1); what a backend sends is judged alike.
    FrameMasked "frame_masked" Answer::Close(1002);
    /// A reserved bit that no extension defines (section 5.2).
    FrameReservedBit "frame_reserved_bit" Answer::Close(1002);
    /// A reserved opcode (section 5.2).
    FrameOpcode "frame_opcode" Answer::Close(1002);
    /// A control frame that is too long or fragmented (section 5.5).
    FrameControl "frame_control" Answer::Close(1002);
    /// A continuation of nothing, or a new message inside one (section 5.4).
    FrameSequence "frame_sequence" Answer::Close(1002);
    /// A length that is not in its minimal form, or has its top bit set (section 5.2).
    FrameLength "frame_length" Answer::Close(1002);
    /// A Close frame of one octet or with a code that must not be sent (section 7.4).
    CloseMalformed "close_malformed" Answer::Close(1002);
    /// Octets behind the request of an event stream.
    StreamOctets "stream_octets" Answer::Close(1002);
    /// A kind of message that the route does not take.
    MessageKind "message_kind" Answer::Close(1003);
    /// Text or a close reason that is not UTF-8 (section 8.1).
    Utf8 "utf8" Answer::Close(1007);
    /// A compressed message that is no whole DEFLATE stream (RFC 7692 section 7.2.2).
    MessageCompression "message_compression" Answer::Close(1007);
    /// More fragments than a message may have.
    MessageFragments "message_fragments" Answer::Close(1008);
    /// A message that took too long from its first octet to its last.
    MessageSlow "message_slow" Answer::Close(1008);
    /// Messages too fast.
    MessageRate "message_rate" Answer::Close(1008);
    /// Octets too fast.
    ByteRate "byte_rate" Answer::Close(1008);
    /// Pings or unasked pongs too fast.
    PingRate "ping_rate" Answer::Close(1008);
    /// A longer message than the limit.
    MessageTooBig "message_too_big" Answer::Close(1009);
    /// A fault of ours.
    InternalError "internal_error" Answer::Close(1011);
    /// A part of what a reader missed is sent; whoever comes back gets the rest.
    MoreMissed "more_missed" Answer::Close(1013);
    /// A reader slower than its send queue.
    SlowReader "slow_reader" Answer::Close(1013);
    /// The token expired.
    AuthorityExpired "authority_expired" Answer::Close(3000);
    /// The token was revoked by the operator.
    Revoked "revoked" Answer::Close(3003);
    /// Its route, origin, issuer or key was withdrawn: by a reload, or by the issuer.
    NoLongerAdmitted "no_longer_admitted" Answer::Close(3003);
    /// The renewed token does not grant the room.
    GrantGone "grant_gone" Answer::Close(3003);
    /// The operator ended the sessions of this subject.
    Kicked "kicked" Answer::Close(3003);
    /// A message without a publish grant.
    PublishNotGranted "publish_not_granted" Answer::Close(3003);
    /// A message that the backend refused.
    MessageRefused "message_refused" Answer::Close(3003);
    /// A message that the backend could not be asked about.
    MessageNotJudged "message_not_judged" Answer::Close(1013);
    /// No pong in time.
    NoPong "no_pong" Answer::Close(3008);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_has_a_name_of_its_own_that_fits_a_metric_label_and_a_close_frame() {
        let mut seen = HashSet::new();
        for reason in Rejection::ALL {
            let name = reason.name();
            assert!(seen.insert(name), "{name} is there twice");
            assert!(
                name.len() <= 123
                    && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
            );
        }
    }

    #[test]
    fn a_refusal_is_told_by_the_name_of_its_reason_unless_its_row_says_less() {
        for reason in Rejection::ALL {
            if let Answer::Refuse { status, code, title, .. } = reason.answer() {
                let is_coarser = status == 401 && code == "credential_invalid";
                assert!(code == reason.name() || is_coarser, "{}: {code:?}", reason.name());
                assert!(!title.is_empty(), "{}", reason.name());
            }
        }
    }

    #[test]
    fn every_401_about_a_credential_that_fails_is_the_same_from_outside() {
        let answers: HashSet<_> = Rejection::ALL
            .iter()
            .filter(|r| {
                matches!(r.answer(), Answer::Refuse { status: 401, .. })
                    && **r != Rejection::CredentialMissing
            })
            .map(|r| format!("{:?}", r.answer()))
            .collect();
        assert_eq!(answers.len(), 1);
    }
}
