//! What the torrents of one client share: memory, connections, dials, upload slots, and bans.
//! In: claims of torrents. Out: what each may have. Never here: decisions of one torrent.

mod allowance;
mod bans;
mod dials;

use std::{net::IpAddr, sync::Arc};

pub(crate) use allowance::{Allowance, Claim};
pub(crate) use bans::{Bans, Host};
pub(crate) use dials::{Dials, MayDial};

/// The limits of one client, whatever the number of its torrents.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "written with `..Limits::default()`")]
pub struct Limits {
    /// Bytes of pieces in flight: requested, received and not yet written. Default 16 MiB.
    pub memory: usize,
    /// Connections. Default 500.
    pub connections: usize,
    /// Connections being opened at a time. Default 250.
    pub half_open: usize,
    /// Connections opened per second, after a first burst of twice as many. Default 50.
    pub dials_per_second: u32,
    /// Peers that may request at a time. Default 16.
    pub upload_slots: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 16 << 20, connections: 500, half_open: 250, dials_per_second: 50, upload_slots: 16 }
    }
}

/// What the torrents of one client share. Clones are handles of the same thing.
///
/// A torrent may have as much of a limit as is free, as long as it stays below its fair share (the limit, divided by the
/// torrents that want some), or as nobody else waits.
#[derive(Clone, Debug)]
pub struct Shared {
    pub(crate) memory: Allowance,
    pub(crate) connections: Allowance,
    pub(crate) slots: Allowance,
    pub(crate) dials: Arc<Dials>,
    pub(crate) bans: Arc<Bans>,
}

impl Shared {
    /// What a client with these limits has.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            memory: Allowance::new(limits.memory),
            connections: Allowance::new(limits.connections),
            slots: Allowance::new(limits.upload_slots),
            dials: Arc::new(Dials::new(limits.half_open, limits.dials_per_second)),
            bans: Arc::new(Bans::default()),
        }
    }

    /// Bytes of pieces in flight.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.memory.used()
    }

    /// Connections of all torrents.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.used()
    }

    /// Upload slots in use.
    #[must_use]
    pub fn upload_slots_used(&self) -> usize {
        self.slots.used()
    }

    /// Whether connections from and to this address are refused. A driver asks before it spends a handshake on it.
    #[must_use]
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        self.bans.covers_ip(ip)
    }

    /// Bans an address for all torrents, as the user wishes. Torrents close connections to it
    /// when something happens in them.
    pub fn ban(&self, ip: IpAddr) {
        self.bans.add_ip(ip);
    }

    /// Lifts a ban.
    pub fn unban(&self, ip: IpAddr) {
        self.bans.remove_ip(ip);
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}
