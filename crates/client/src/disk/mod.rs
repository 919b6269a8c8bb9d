//! Everything that touches storage or hashes pieces. Never: decisions about what to fetch.

mod filling;
mod inflight;
mod pool;
mod writer;

pub(crate) use filling::{Filled, PieceBuffer};
pub(crate) use inflight::InFlight;
pub(crate) use pool::Pool;
pub(crate) use writer::{Job, Target, Writer};
