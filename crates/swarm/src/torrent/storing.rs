//! From the last block of a piece to storage: verdicts on copies, blame for bad ones, failures of storage.

use std::{collections::BTreeSet, time::Instant};

use torrent_types::PieceIndex;

use super::Swarm;
use crate::{
    Action, BlockDigest, Command, Failure, Outcome, Parting, Priority,
    peer::{MAX_REFUSED, Peer},
    pieces::Stage,
    shared::Host,
};

impl Swarm {
    /// All blocks of a piece have come, and were hashed. [`Action::Write`], [`Action::Testify`] or [`Action::Forget`] follows.
    pub fn handle_piece_hashed(&mut self, now: Instant, piece: PieceIndex, outcome: Outcome) {
        if self.pieces.stage(piece) != Some(Stage::Hashing) {
            return;
        }
        let senders: BTreeSet<_> = self.pieces.senders(piece).map(|(_, key, host)| (host, key)).collect();
        match outcome {
            Outcome::Good => {
                for (_, key) in &senders {
                    if let Some(peer) = self.peers.get_mut(key) {
                        peer.giving.good = peer.giving.good.saturating_add(1);
                    }
                }
                self.pieces.set_stage(piece, Stage::Writing);
                self.damaged.remove(&piece);
                if self.blame.is_suspect(piece) {
                    self.act(Action::Testify(piece));
                }
                self.act(Action::Write(piece));
            }
            Outcome::Bad => {
                self.wasted += u64::from(self.pieces.geometry().length_of(piece));
                let hosts: BTreeSet<_> = senders.iter().map(|(host, _)| *host).collect();
                if hosts.len() == 1 {
                    // Alone for certain: the address of each sender is kept with its blocks.
                    hosts.into_iter().for_each(|host| self.convict(host, piece));
                    self.fail(now, piece);
                } else {
                    self.pieces.set_stage(piece, Stage::Testifying);
                    self.act(Action::Testify(piece));
                }
            }
        }
        self.settle(now);
    }

    /// The answer to [`Action::Testify`]: the number of each block in its piece, and its digest. Blocks whose bytes are gone
    /// may be left out.
    pub fn handle_evidence(&mut self, now: Instant, piece: PieceIndex, digests: Vec<(u32, BlockDigest)>) {
        if self.pieces.stage(piece) == Some(Stage::Testifying) {
            let mut digests = digests;
            digests.sort_unstable();
            let said = |index: u32| {
                let place = digests.binary_search_by_key(&index, |(index, _)| *index).ok()?;
                digests.get(place).map(|(_, digest)| *digest)
            };
            let copy = self.pieces.senders(piece).filter_map(|(index, _, host)| Some((index, host, said(index)?)));
            let copy = copy.collect();
            self.blame.record(piece, copy);
            self.fail(now, piece);
        } else if !digests.is_empty() && (self.pieces.stage(piece) == Some(Stage::Writing) || self.pieces.has(piece)) {
            let liars = self.blame.settle(piece, &digests);
            liars.into_iter().for_each(|host| self.convict(host, piece));
        }
        self.settle(now);
    }

    /// A copy failed its check: the piece is fetched again.
    fn fail(&mut self, now: Instant, piece: PieceIndex) {
        self.give_up_bad(piece);
        self.look_for_damage(piece);
        self.wake_all();
        self.plan_sweep(now);
    }

    fn give_up_bad(&mut self, piece: PieceIndex) {
        let priority = self.priority_of(piece);
        if self.pieces.give_up(piece, priority).is_some() {
            self.act(Action::Forget(piece));
        }
    }

    /// A host has sent a bad block, for certain. It is banned, unless it is the only source and gives good pieces besides: then
    /// only this piece is not asked of it again.
    fn convict(&mut self, host: Host, piece: PieceIndex) {
        let times = self.blame.convict(host);
        let good: u32 = self.peers.values().filter(|peer| peer.host == host).map(|peer| peer.giving.good).sum();
        let gives = |peer: &Peer| !peer.leaving && peer.giving.useful > 0 && peer.giving.requests.is_proven();
        let needed = self.peers.values().any(|peer| peer.host == host && gives(peer));
        let others = self.peers.values().any(|peer| peer.host != host && gives(peer));
        let tolerated = if needed && !others { 2 + good / 8 } else { good / 16 };
        if times > tolerated {
            return self.ban(host, Parting::BadData);
        }
        let mut parted = Vec::new();
        for (key, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.host == host) {
            if peer.giving.refused.len() >= MAX_REFUSED {
                parted.push(*key);
            }
            peer.giving.refused.insert(piece);
        }
        parted.into_iter().for_each(|key| self.part(key, Parting::BadData));
    }

    /// Says so when no connected peer has the piece right.
    fn look_for_damage(&mut self, piece: PieceIndex) {
        let mut holders = self.peers.iter().filter(|(_, peer)| !peer.leaving && peer.has(piece)).map(|(key, _)| *key);
        let refused = |key| self.refused_by(key).is_some_and(|refused| refused.contains(&piece));
        let some = self.peers.values().any(|peer| peer.giving.refused.contains(&piece));
        if some && holders.all(refused) && self.damaged.insert(piece) {
            self.act(Action::Damaged(piece));
        }
    }

    /// This extent of an open piece was written, and its memory is free again. Extents are numbered from the beginning of
    /// their piece, each [`EXTENT`](crate::EXTENT) bytes long. Pieces of one extent need no report.
    pub fn handle_extent_stored(&mut self, now: Instant, piece: PieceIndex, extent: u32) {
        if self.pieces.get(piece).is_some_and(|open| open.is_filled(extent)) {
            self.pieces.extent_stored(piece, extent);
            self.life.storage_works();
            self.settle(now);
        }
    }

    /// These pieces are in storage now.
    pub fn handle_pieces_stored(&mut self, now: Instant, pieces: &[PieceIndex]) {
        let mut stored = false;
        for &piece in pieces {
            if !self.pieces.stored(piece) {
                continue;
            }
            stored = true;
            let wanted = self.priority_of(piece) != Priority::Skip;
            self.wanted.forget_deadline(piece);
            if wanted {
                self.pieces.set_lacking(self.pieces.lacking().saturating_sub(1));
                self.add_useful_everywhere(piece, -1);
            }
            self.news.push(piece);
        }
        if stored {
            self.life.storage_works();
            self.settle_missing();
            self.plan_news(now);
        }
        self.settle(now);
    }

    /// Storage failed to write. Requests are taken back, and nothing is fetched until storage works again. Pieces that are
    /// complete and good stay where they are: the driver reports their fate.
    pub fn handle_storage_failed(&mut self, now: Instant, failure: Failure) {
        if self.life.storage_failed(now, failure) {
            self.drop_everything_open(now);
        }
        self.settle(now);
    }

    /// The bytes of a piece are gone: a good copy could not be written, or one that was had can no longer be read. Peers hear
    /// of the latter by BEP 54. The piece is wanted again.
    pub fn handle_piece_lost(&mut self, now: Instant, piece: PieceIndex) {
        match self.pieces.stage(piece) {
            Some(Stage::Fetching) => self.give_up(now, piece),
            Some(Stage::Hashing | Stage::Writing | Stage::Testifying) => {
                self.give_up_bad(piece);
                self.wake_all();
            }
            None if self.pieces.withdraw(piece) => {
                let keys: Vec<_> = self.peers.iter().filter(|(_, peer)| !peer.leaving).map(|(key, _)| *key).collect();
                keys.into_iter().for_each(|key| self.send(key, Command::DontHave(piece)));
                self.news.retain(|other| *other != piece);
                self.wanted_again(now, piece);
            }
            None => {}
        }
        self.settle(now);
    }

    /// A piece that was had is missing.
    fn wanted_again(&mut self, now: Instant, piece: PieceIndex) {
        if self.priority_of(piece) == Priority::Skip {
            return;
        }
        let fetches = self.life.goal() == crate::Goal::Download && !self.life.is_paused() && self.life.is_active();
        if self.pieces.rarity().is_none() && fetches {
            // Everything wanted was here: what can be picked is counted anew.
            self.want_anew(now);
        } else {
            self.pieces.set_lacking(self.pieces.lacking() + 1);
            let priority = self.priority_of(piece);
            if let Some(rarity) = self.pieces.rarity_mut() {
                rarity.insert(piece, priority);
            }
            self.add_useful_everywhere(piece, 1);
            self.settle_missing();
            self.wake_all();
        }
    }
}
