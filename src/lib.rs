//! Portcullis: a security-hardened WebSocket gateway.
//!
//! The map, from the ground up; each floor knows only those below it, and a test that
//! reads these files keeps it so.
//!
//! | floor | rooms | what they do |
//! | --- | --- | --- |
//! | 0 | [`rejection`] [`room`] [`origin`] [`peer`] [`secret`] [`endpoint`] | names and newtypes |
//! | 1 | [`gate`] [`auth`] [`codec`] [`mercure`] [`protocol`] [`broadcast`] [`throttle`] | decide: no sockets, no clock, no logging |
//! | 2 | [`net`] [`session`] [`internal`] [`keyring`] [`events`] [`authorize`] [`webhook`] [`outbound`] [`relay`] [`ledger`] [`sandbox`] | act: sockets, TLS, HTTP, frames in and out; give rights up |
//! | 3 | [`config`] [`gateway`] | compose: config -> parts -> bind -> run -> drain |
//! | 4 | [`cli`] | argv -> a command |

pub mod endpoint;
pub mod origin;
pub mod peer;
pub mod rejection;
pub mod room;
pub mod secret;

pub mod auth;
pub mod broadcast;
pub mod codec;
pub mod gate;
pub mod mercure;
pub mod protocol;
pub mod throttle;

pub mod authorize;
pub mod events;
pub mod internal;
pub mod keyring;
pub mod ledger;
pub mod net;
pub mod outbound;
pub mod relay;
pub mod sandbox;
pub mod session;
pub mod webhook;

pub mod config;
pub mod gateway;

pub mod cli;
