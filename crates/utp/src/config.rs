//! Everything that can be set.

use std::{fmt, sync::Arc, time::Duration};

use crate::congestion::{Controller, Ledbat};

/// Payload of a UDP datagram in an IPv4 packet of 1,500 bytes. Others read datagrams into buffers of 1,500 bytes, so more is not tried.
pub const ETHERNET_PAYLOAD: u16 = 1472;

/// Makes the congestion control of a new connection. It gets the payload of a full packet, and the most that may be in flight, in bytes.
pub type NewController = Arc<dyn Fn(u64, u64) -> Box<dyn Controller> + Send + Sync>;

/// How an endpoint behaves. The defaults suit BitTorrent.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Queueing delay that senders aim at (BEP 29, `CCONTROL_TARGET`). Default: 100 ms.
    pub target_delay: Duration,
    /// Congestion control, instead of [`Ledbat`] with [`target_delay`](Self::target_delay).
    pub controller: Option<NewController>,
    /// Connections at most, in both directions, those that are closing among them. Default: 10,000.
    pub max_connections: usize,
    /// Connections of others that are not confirmed, at most; the oldest goes. Each costs about a hundred bytes. Default: 1,024.
    pub max_half_open: usize,
    /// Connections of others that the application has not accepted, at most; further ones are not answered. Default: 128.
    pub backlog: usize,
    /// Receive window of a new connection, in bytes. It grows with what is read. Default: 64 KiB.
    pub receive_window: usize,
    /// Receive window of a connection at most, in bytes. Default: 64 MiB.
    pub max_receive_window: usize,
    /// Bytes of a connection that are written and not acknowledged, at most; as many as twice the congestion window are taken. Default: 128 MiB.
    pub max_send_buffer: usize,
    /// Longest datagram, in bytes, without IP and UDP headers. Default: 1,472 for IPv4, and 20 less for IPv6.
    pub max_datagram: u16,
    /// Silence after which we say that we are there, so that NATs remember the connection. Default: 29 s.
    pub keep_alive: Option<Duration>,
    /// How often a packet is sent again before the connection counts as dead. Default: 6, which takes about 30 s.
    pub retries: u32,
    /// How often a SYN is sent again. Default: 3, which takes 15 s.
    pub syn_retries: u32,
    /// How long a connection that the application has given up may take to end in order. Default: 20 s.
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            target_delay: Duration::from_millis(100),
            controller: None,
            max_connections: 10_000,
            max_half_open: 1_024,
            backlog: 128,
            receive_window: 64 << 10,
            max_receive_window: 64 << 20,
            max_send_buffer: 128 << 20,
            max_datagram: ETHERNET_PAYLOAD,
            keep_alive: Some(Duration::from_secs(29)),
            retries: 6,
            syn_retries: 3,
            linger: Duration::from_secs(20),
        }
    }
}

impl Config {
    pub(crate) fn new_controller(&self, packet: u64) -> Box<dyn Controller> {
        let most = u64::try_from(self.max_send_buffer).unwrap_or(u64::MAX);
        match &self.controller {
            Some(new) => new(packet, most),
            None => Box::new(Ledbat::new(self.target_delay, packet, most)),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("target_delay", &self.target_delay)
            .field("max_connections", &self.max_connections)
            .field("max_half_open", &self.max_half_open)
            .field("backlog", &self.backlog)
            .field("receive_window", &self.receive_window)
            .field("max_receive_window", &self.max_receive_window)
            .field("max_send_buffer", &self.max_send_buffer)
            .field("max_datagram", &self.max_datagram)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}
