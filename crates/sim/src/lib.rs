#![doc = include_str!("../README.md")]

mod agenda;
mod bottleneck;
mod fault;
mod link;
mod mesh;
mod network;
mod parcel;
mod stream;
mod world;

pub use bottleneck::{Bottleneck, QueueStats};
pub use fault::{Fault, Flight};
pub use link::Link;
pub use mesh::Mesh;
pub use network::RETRANSMIT;
pub use parcel::{Delivery, Parcel, Transmit};
pub use stream::{Opened, Segment, StreamCommand, StreamId, StreamNode, Streams};
pub use world::{Counts, Node, NodeId, World, seed, seeds, start};
