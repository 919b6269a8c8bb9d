//! Values of options that have a grammar of their own.

pub(crate) mod date;
mod piece_length;
mod size;
pub(crate) mod tracker;

pub(crate) use date::Date;
pub(crate) use piece_length::PieceLength;
pub(crate) use size::Size;
pub(crate) use tracker::{Tier, Url};
