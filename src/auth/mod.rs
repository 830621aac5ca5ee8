//! Owns who a peer is: one credential, its verification, what it grants.
//! Never knows HTTP beyond the fields that carry a credential, nor who is in a room.
//!
//! In reading order: a credential is found ([`BearerToken`]), its token is taken apart,
//! an issuer and one key are looked up, the signature is verified, and only then the
//! claims are judged. What comes out is an [`Identity`], and of it a [`RoomGrant`].

mod credential;
mod query;

mod algorithm;
mod claim_path;
mod claims;
mod clean_name;
mod compact;
mod header;
mod json;
mod lifetime;

mod issuer;
mod jwks;
mod key;
mod key_fault;
mod pem;
mod public_key;
mod verifier;

mod authority;
mod grant;
mod identity;
mod narrowing;
mod revocation;
mod revocation_text;
mod ticket;

mod assertion;
mod mint;
mod signing_key;

#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use assertion::Assertions;
pub use authority::Authority;
pub use claim_path::ClaimPaths;
pub use credential::{BearerToken, Credential, CredentialPolicy, TOKEN_BYTES_MAX};
pub use grant::RoomGrant;
pub use identity::Identity;
pub use issuer::{Issuer, IssuerFault, KeysWanted, Required, issuer_faults};
pub use key::{Key, SECRET_BYTES_MIN};
pub use key_fault::KeyFault;
pub use lifetime::Lifetimes;
pub use mint::TokenFacts;
pub use narrowing::Narrowing;
pub use query::looks_like_jwt;
pub(crate) use query::{decoded as percent_decoded, form_pairs};
pub use revocation::{REVOCATIONS_MAX, Revocations, TooMany};
pub use signing_key::{GeneratedKeys, SigningKey};
pub use ticket::{TICKET_LIFETIME, Ticket, TicketSecret, Tickets, TicketsFull};
pub use verifier::{SubjectNeed, Verifier};
