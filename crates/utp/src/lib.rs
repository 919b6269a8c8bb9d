#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod buffer;
mod clock;
mod config;
pub mod congestion;
mod connection;
#[cfg(feature = "tokio")]
mod driver;
mod endpoint;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod mtu;
mod pacer;
mod packet;
mod receive;
mod rtt;
mod send;
mod seq;

pub use clock::Micros;
pub use config::{Config, ETHERNET_PAYLOAD, NewController};
pub use connection::{Fragmentation, Stats};
#[cfg(feature = "tokio")]
pub use driver::{Datagrams, Received, UdpPort, UtpSocket, UtpStream};
pub use endpoint::{Endpoint, EndpointStats, Event, Key, Read, Transmit};
pub use error::{ConnectError, Fault, StreamError};
pub use packet::{
    CloseReason, HEADER_LENGTH, Header, Kind, MAX_SELECTIVE_ACK, Malformed, Packet, SelectiveAck, VERSION, is_utp,
};
pub use seq::SeqNr;
