#![doc = include_str!("../README.md")]

mod fault;
mod link;
mod world;

pub use fault::{Fault, Flight};
pub use link::Link;
pub use world::{Counts, Datagram, Node, NodeId, World, seed};
