//! What goes into a [`Swarm`](crate::Swarm) and what comes out of it: the words that a driver and the core share.
//! Never here: state, decisions, bytes of pieces, raw numbers from the wire.

mod action;
mod connection;
mod fact;
mod phase;

pub use action::{Action, Announce, Command, Parting};
pub use connection::{Connected, Direction, Ending, PeerKey, Refused, Severity, Via};
pub use fact::{Fact, Outcome, Verdict};
pub use phase::{Activity, Failure, Goal, Order, Phase, Priority, Privacy, Waiting};
