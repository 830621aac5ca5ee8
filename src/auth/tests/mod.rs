//! Owns the tests of what a whole token must be: forged ones, each with its honest twin.
//! Never knows the network: the verifier is called as a function.

mod claims;
mod forge;
mod grants;
mod header;
mod issuers;
mod jwks;
mod keys;
mod minting;
mod properties;
mod signature;
