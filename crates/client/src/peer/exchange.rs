//! Peers that peers tell each other of. Spec: BEP 11. At most 50 a minute each way; never for private torrents, whose
//! connections do not offer the extension. Addresses of a household stay in it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use torrent_swarm::{Direction, PeerStats, is_local};
use torrent_wire::{ExtensionId, Pex, PexFlags, PexOutlet};

use super::{End, Peer, Stream};
use crate::clock;

#[derive(Debug, Default)]
pub(crate) struct Exchange {
    outlet: PexOutlet,
    /// The peers that the outlet knows of.
    met: BTreeMap<SocketAddr, PexFlags>,
}

impl<S: Stream> Peer<S> {
    /// Tells the peer whom we have met and lost, if it is time.
    pub(super) fn tell_peers(&mut self) -> Result<(), End> {
        let now = clock::now();
        if !self.connection.peer_takes(ExtensionId::PEX) {
            return Ok(());
        }
        let peers: Vec<_> = self.torrent.brain.with(|swarm| swarm.peers().collect());
        let own = peers.iter().find(|peer| peer.key == self.key).map(|peer| peer.address.ip());
        let local = own.is_some_and(is_local);
        let met: BTreeMap<_, _> = peers
            .iter()
            .filter(|peer| peer.key != self.key)
            .filter_map(|peer| Some((peer.dialable?, flags(peer))))
            .filter(|(address, _)| local || !is_local(address.ip()))
            .collect();
        let Exchange { outlet, met: before } = &mut self.exchange;
        for peer in before.keys().filter(|peer| !met.contains_key(peer)) {
            outlet.handle_dropped(now, *peer);
        }
        for (peer, flags) in met.iter().filter(|(peer, _)| !before.contains_key(peer)) {
            outlet.handle_added(now, *peer, *flags);
        }
        *before = met;
        outlet.handle_timeout(now);
        if let Some(payload) = outlet.poll_payload() {
            self.connection.send_extension(now, ExtensionId::PEX, &payload)?;
        }
        Ok(())
    }
}

impl Exchange {
    /// The peers that a message of the peer at `from` adds.
    pub(super) fn learn(pex: &Pex<'_>, from: IpAddr) -> Vec<SocketAddr> {
        let local = is_local(from);
        pex.added().map(|(address, _)| address).filter(|address| local || !is_local(address.ip())).collect()
    }
}

fn flags(peer: &PeerStats) -> PexFlags {
    let seed = if peer.seed { PexFlags::UPLOAD_ONLY } else { PexFlags::NONE };
    let reachable = if peer.direction == Direction::Outgoing { PexFlags::REACHABLE } else { PexFlags::NONE };
    seed | reachable
}
