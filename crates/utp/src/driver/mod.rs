//! tokio's side: one UDP socket, one task, any number of connections and protocols.
//! In: datagrams in batches, what streams write. Out: streams, and the datagrams of other protocols. Never: protocol.

mod datagrams;
mod io;
mod port;
mod socket;
mod stream;

pub use datagrams::{Datagrams, Received};
pub use port::UdpPort;
pub use socket::UtpSocket;
pub use stream::UtpStream;
