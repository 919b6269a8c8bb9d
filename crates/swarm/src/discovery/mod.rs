//! Addresses of peers: where they came from, how to open them, which one to dial next.

mod api;
mod book;
mod ladder;
mod quota;

pub use api::{Attempt, AttemptId, Candidate, DialFault, Obfuscation, PexPeer, Source, Transport};
pub(crate) use book::{Book, Gone, Next};
