//! How much may be in flight: the interface between a connection and its congestion control.
//! In: what was acknowledged, what was lost. Out: a window in bytes and a pace in bytes a second. [`Ledbat`] is the one that BEP 29 asks for.

mod delay;
mod ledbat;

use std::fmt;

pub use ledbat::Ledbat;

use crate::clock::Micros;

/// Something arrived at the other end.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests of controllers write them")]
pub struct Ack {
    /// Now, in microseconds on the endpoint's clock.
    pub now: Micros,
    /// Payload bytes that were not known to have arrived before.
    pub bytes: u64,
    /// Payload bytes in flight before this.
    pub in_flight: u64,
    /// Payload bytes of a full packet.
    pub packet: u64,
    /// The smoothed round trip, in microseconds.
    pub rtt: Micros,
    /// The delay from us to the peer, in microseconds, by two clocks that do not agree: only differences mean something.
    pub delay: Option<u32>,
    /// The delay from the peer to us, likewise.
    pub reverse_delay: Option<u32>,
}

impl Ack {
    /// Both delays together: a round trip, in which the difference of the clocks and the peer's waiting cancel out.
    fn path(&self) -> Option<u32> {
        const LONGEST: u32 = 60_000_000;
        let path = self.delay?.wrapping_add(self.reverse_delay?);
        (path > 0 && path < LONGEST).then_some(path)
    }
}

/// Packets were lost.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests of controllers write them")]
pub struct Loss {
    /// Now, in microseconds on the endpoint's clock.
    pub now: Micros,
    /// When the last of them was sent.
    pub sent: Micros,
    /// Payload bytes that were lost.
    pub bytes: u64,
}

/// Congestion control of one direction of one connection.
pub trait Controller: fmt::Debug + Send {
    /// Packets arrived.
    fn handle_ack(&mut self, ack: &Ack);
    /// Packets are lost, and later ones were acknowledged. Called for each detection; how often to react is the controller's business.
    fn handle_loss(&mut self, loss: &Loss);
    /// Nothing was acknowledged for a whole timeout.
    fn handle_timeout(&mut self, now: Micros);
    /// The last loss or timeout was none: what was thought lost has arrived.
    fn handle_spurious(&mut self);
    /// Nothing was sent for so many timeouts, and sending starts again.
    fn handle_idle(&mut self, timeouts: u32);
    /// Payload bytes that may be in flight.
    fn window(&self) -> u64;
    /// Payload bytes a second, over which the window is to be spread. `None`: as fast as possible.
    fn pace(&self) -> Option<u64>;
}
