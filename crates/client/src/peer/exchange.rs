//! Peers that peers tell each other of. Spec: BEP 11. At most 50 a minute each way; never for private torrents, whose
//! connections do not offer the extension. Addresses of a household stay in it.

use std::{collections::BTreeMap, net::IpAddr};

use torrent_swarm::{Direction, PeerStats, is_local};
use torrent_wire::{ExtensionId, Pex, PexFlags, PexIntake, PexOutlet};

use super::{End, Peer, Stream};
use crate::clock;

#[derive(Debug, Default)]
pub(crate) struct Exchange {
    outlet: PexOutlet,
    intake: PexIntake,
}

impl<S: Stream> Peer<S> {
    /// Tells the peer whom we have met and lost, if it is time.
    pub(super) fn tell_peers(&mut self) -> Result<(), End> {
        let now = clock::now();
        let due = self.exchange.outlet.poll_timeout().is_none_or(|time| now >= time);
        if !due || !self.connection.peer_takes(ExtensionId::PEX) {
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
        if let Some(payload) = self.exchange.outlet.poll(now, &met) {
            self.connection.send_extension(now, ExtensionId::PEX, &payload, &mut self.out)?;
        }
        Ok(())
    }
}

impl Exchange {
    /// The peers that a message of the peer at `from` adds, unless it says too much too soon.
    pub(super) fn learn(&mut self, pex: &Pex<'_>, from: IpAddr) -> Vec<std::net::SocketAddr> {
        if !self.intake.admit(clock::now()) {
            return Vec::new();
        }
        let local = is_local(from);
        pex.added().map(|(address, _)| address).filter(|address| local || !is_local(address.ip())).collect()
    }
}

fn flags(peer: &PeerStats) -> PexFlags {
    let seed = if peer.seed { PexFlags::UPLOAD_ONLY } else { PexFlags::NONE };
    let reachable = if peer.direction == Direction::Outgoing { PexFlags::REACHABLE } else { PexFlags::NONE };
    seed | reachable
}
