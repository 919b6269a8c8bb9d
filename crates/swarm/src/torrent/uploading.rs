//! What we do for others: slots and queues.

use std::time::Instant;

use torrent_types::Block;

use super::Swarm;
use crate::{Command, PeerKey, choker::Candidate, peer::Peer};

impl Swarm {
    /// The next blocks to send to a peer, up to `bytes` in all. Report them with [`Swarm::uploaded`] once they are sent.
    pub fn take_uploads(&mut self, key: PeerKey, bytes: u32, out: &mut Vec<Block>) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.uploads.take(bytes, out);
        }
    }

    /// A block could not be read from storage after all.
    pub fn upload_failed(&mut self, key: PeerKey, block: Block) {
        if self.peers.get(&key).is_some_and(|peer| peer.fast) {
            self.send(key, Command::Reject(block));
        }
    }

    /// So many bytes of pieces were handed to the socket.
    pub fn uploaded(&mut self, key: PeerKey, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.up.add(bytes);
            self.up.add(bytes);
        }
    }

    pub(super) fn rechoke(&mut self, now: Instant) {
        let seeding = self.pieces.is_complete();
        let candidate = |(key, peer): (&PeerKey, &Peer)| Candidate {
            key: *key,
            rate: if seeding { peer.up.per_second() } else { peer.down.per_second() },
            unchoked: !peer.am_choking,
            since: peer.slot_since,
        };
        let wants = |(_, peer): &(&PeerKey, &Peer)| peer.interested && !peer.leaving;
        let candidates = self.peers.iter().filter(wants).map(candidate).collect();
        let chosen = self.choker.round(now, candidates, seeding, &mut self.luck);
        let keys: Vec<_> = self.peers.iter().map(|(key, peer)| (*key, peer.am_choking)).collect();
        for (key, choked) in keys {
            match (choked, chosen.binary_search(&key).is_ok()) {
                (true, true) => self.unchoke(now, key),
                (false, false) => self.choke(now, key),
                _ => {}
            }
        }
    }

    pub(super) fn unchoke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if std::mem::take(&mut peer.am_choking) {
            peer.slot_since = now;
            self.send(key, Command::Unchoke);
        }
    }

    pub(super) fn choke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.am_choking = true;
        peer.slot_since = now;
        let fast = peer.fast;
        let refused: Vec<_> = peer.uploads.clear().collect();
        self.send(key, Command::Choke);
        if fast {
            refused.into_iter().for_each(|block| self.send(key, Command::Reject(block)));
        }
    }
}
