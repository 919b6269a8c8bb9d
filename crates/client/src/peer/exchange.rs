//! Peers that peers tell each other of. Spec: BEP 11. How often and how many is for `torrent_wire::PexOutlet` to say, which
//! peers may be named for the swarm: never in private torrents, whose connections do not offer the extension.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_swarm::{Candidate, PexPeer};
use torrent_wire::{ExtensionId, PexFlags, PexOutlet};

use super::{End, Peer};

/// How often it is looked whether there is news. A message may go out once a minute.
const LOOK: Duration = Duration::from_secs(20);

/// What one peer has been told of the others.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    outlet: PexOutlet,
    /// As the outlet knows them.
    connected: BTreeMap<SocketAddr, PexFlags>,
    /// The swarm's generation that `connected` is of.
    generation: Option<u64>,
    next_look: Option<Instant>,
}

impl Peer {
    /// Tells the peer of others, if it is time.
    pub(super) fn tell_peers(&mut self, now: Instant) -> Result<(), End> {
        let exchange = &mut self.exchange;
        if !self.connection.peer_takes(ExtensionId::PEX) {
            exchange.next_look = None;
            return Ok(());
        }
        if exchange.next_look.is_none_or(|look| look <= now) {
            exchange.next_look = now.checked_add(LOOK);
            let (key, known) = (self.key, exchange.generation);
            let news = self.torrent.look(|swarm| {
                let generation = swarm.pex_generation();
                (known != Some(generation)).then(|| (generation, swarm.pex(key).collect::<Vec<_>>()))
            });
            if let Some((generation, peers)) = news {
                exchange.generation = Some(generation);
                exchange.compare(now, &peers);
            }
        }
        if exchange.outlet.poll_timeout().is_some_and(|due| due <= now) {
            exchange.outlet.handle_timeout(now);
        }
        while let Some(payload) = exchange.outlet.poll_payload() {
            self.connection.send_extension(now, ExtensionId::PEX, &payload)?;
        }
        Ok(())
    }
}

impl Exchange {
    /// The peer has said which extensions it takes.
    pub(super) fn begin(&mut self, now: Instant) {
        self.next_look.get_or_insert(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_look.into_iter().chain(self.outlet.poll_timeout()).min()
    }

    /// Tells the outlet what has changed.
    fn compare(&mut self, now: Instant, peers: &[PexPeer]) {
        let present: BTreeMap<_, _> = peers.iter().map(|peer| (peer.address, flags(peer))).collect();
        for address in self.connected.keys().filter(|address| !present.contains_key(address)) {
            self.outlet.handle_dropped(now, *address);
        }
        for (address, flags) in present.iter().filter(|(address, _)| !self.connected.contains_key(address)) {
            self.outlet.handle_added(now, *address, *flags);
        }
        self.connected = present;
    }
}

/// What the peer says of an address.
pub(super) fn candidate(address: SocketAddr, flags: PexFlags) -> Candidate {
    Candidate {
        address,
        seed: flags.contains(PexFlags::UPLOAD_ONLY),
        utp: flags.contains(PexFlags::UTP),
        encrypted: flags.contains(PexFlags::PREFERS_ENCRYPTION),
    }
}

fn flags(peer: &PexPeer) -> PexFlags {
    let set = |flag, on| if on { flag } else { PexFlags::NONE };
    set(PexFlags::UPLOAD_ONLY, peer.seed)
        | set(PexFlags::UTP, peer.utp)
        | set(PexFlags::REACHABLE, peer.reachable)
        | set(PexFlags::PREFERS_ENCRYPTION, peer.encrypted)
}
