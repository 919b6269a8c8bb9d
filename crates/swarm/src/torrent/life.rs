//! What the user wants, the metadata, and the outcome of checks: everything that moves the torrent from phase to phase.

use std::{ops::Range, time::Instant};

use torrent_types::{Bitfield, Geometry, PieceIndex};

use super::Swarm;
use crate::{
    Action, Announce, Command, Failure, Goal, Order, Parting, PeerKey, Priority, Privacy,
    bits::Bits,
    lifecycle::Due,
    peer::Holdings,
    pieces::{Pieces, Stage},
    rarity::Rarity,
    shared::Claim,
};

/// More changes than this are not told to a peer one by one.
const MAX_TOLD: usize = 4096;

impl Swarm {
    /// The metadata is known: the torrent goes on to [`Phase::Checking`](crate::Phase::Checking) and asks for [`Action::Check`].
    /// Connections stay, but those to peers that a private torrent must not know are closed, BEP 27. Happens once.
    pub fn handle_metadata(&mut self, now: Instant, geometry: Geometry, privacy: Privacy) {
        if self.geometry.is_some() || self.life.is_over() {
            return;
        }
        self.geometry = Some(geometry);
        let nothing = Bitfield::new(geometry.piece_count());
        self.pieces = Pieces::new(geometry, nothing, Claim::new(self.shared.memory.clone()));
        self.wanted.set_pieces(geometry.piece_count());
        self.book.set_privacy(privacy);
        for peer in self.peers.values_mut() {
            peer.giving.holdings = Holdings::Some(Bits::new(geometry.piece_count()));
        }
        let strangers: Vec<_> =
            self.peers.iter().filter(|(_, peer)| self.book.refuses(peer.source)).map(|(key, _)| *key).collect();
        strangers.into_iter().for_each(|key| self.part(key, Parting::Private));
        self.begin_check();
        self.settle(now);
    }

    /// The answer to [`Action::Check`]: the pieces that are in storage and good, or that the check failed, which says nothing
    /// about the pieces. A passing failure is checked again later, a lasting one when the user resumes.
    pub fn handle_checked(&mut self, now: Instant, result: Result<Bitfield, Failure>) {
        match (result, self.geometry) {
            (Err(failure), _) => self.life.check_failed(now, failure),
            (Ok(have), Some(geometry)) if have.len() == geometry.piece_count() && self.life.is_checking() => {
                let before = self.pieces.have().clone();
                self.pieces = Pieces::new(geometry, have, Claim::new(self.shared.memory.clone()));
                self.life.checked();
                self.want_anew(now);
                self.tell_difference(&before);
            }
            (Ok(_), _) => {}
        }
        self.settle(now);
    }

    /// The user wants what is in storage to be checked again. Downloading stops until [`Swarm::handle_checked`]; uploads go on.
    pub fn handle_recheck(&mut self, now: Instant) {
        if self.life.is_active() {
            self.drop_everything_open(now);
            self.begin_check();
            self.settle(now);
        }
    }

    fn begin_check(&mut self) {
        if self.life.check() {
            self.pieces.set_rarity(None);
            self.act(Action::Check);
        }
    }

    /// The user wants content to be fetched, or no longer.
    pub fn handle_goal(&mut self, now: Instant, goal: Goal) {
        if self.life.goal() == goal {
            return;
        }
        self.life.set_goal(goal);
        if goal == Goal::Serve {
            self.drop_everything_open(now);
        }
        self.want_anew(now);
        self.settle(now);
    }

    /// The user pauses the torrent: all connections are closed and none is admitted.
    pub fn handle_pause(&mut self, now: Instant) {
        if self.life.is_over() || self.life.is_paused() {
            return;
        }
        self.life.set_paused(true);
        self.drop_everything_open(now);
        self.part_all(Parting::Stopping);
        self.settle(now);
    }

    /// The user resumes the torrent after a pause, or after a storage failure of any kind.
    pub fn handle_resume(&mut self, now: Instant) {
        let due = self.life.resume();
        self.retry(now, due);
        self.want_anew(now);
        self.settle(now);
    }

    /// The user stops the torrent. [`Action::Leave`] follows, in every phase.
    pub fn handle_stop(&mut self, now: Instant) {
        if self.life.stop() {
            self.drop_everything_open(now);
            self.pieces.set_rarity(None);
            self.part_all(Parting::Stopping);
            self.act(Action::Leave);
            self.settle(now);
        }
    }

    /// The answer to [`Action::Leave`]: the torrent is in [`Phase::Stopped`](crate::Phase::Stopped) now.
    pub fn handle_left(&mut self, now: Instant) {
        self.life.left();
        let geometry = self.pieces.geometry();
        let have = self.pieces.have().clone();
        // What was not written by now never will be: its memory goes back to the client.
        self.pieces = Pieces::new(geometry, have, Claim::new(self.shared.memory.clone()));
        self.settle(now);
    }

    /// Sets the priority of a range of pieces. Before the metadata is known, it is remembered.
    pub fn handle_priority(&mut self, now: Instant, pieces: Range<PieceIndex>, priority: Priority) {
        self.wanted.set(pieces, priority);
        if priority == Priority::Skip {
            self.drop_unwanted(now);
        }
        self.want_anew(now);
        self.settle(now);
    }

    /// Replaces the pieces that readers wait for: they are fetched first, in order of the moment when each is needed. An
    /// empty list says that nobody reads. They count as [`Priority::Now`] as long as they are listed. At most 1,024.
    pub fn handle_deadlines(&mut self, now: Instant, pieces: &[(PieceIndex, Instant)]) {
        let changed = self.wanted.set_deadlines(pieces);
        if self.life.is_active() {
            // A piece that is skipped otherwise is wanted while a reader waits for it.
            let skipped = changed.iter().any(|piece| self.wanted.set_priority(*piece) == Priority::Skip);
            if skipped || self.pieces.rarity().is_none() {
                self.want_anew(now);
            } else {
                for piece in changed {
                    let priority = self.priority_of(piece);
                    if let Some(rarity) = self.pieces.rarity_mut().filter(|rarity| rarity.contains(piece)) {
                        rarity.insert(piece, priority);
                    }
                }
            }
            self.wake_all();
        }
        self.settle(now);
    }

    /// Sets the order in which pieces of one priority are begun.
    pub fn handle_order(&mut self, _now: Instant, order: Order) {
        self.wanted.set_order(order);
    }

    /// Builds anew what follows from priorities, pieces and peers: O(pieces × peers), for commands of the user.
    pub(super) fn want_anew(&mut self, now: Instant) {
        let Some(geometry) = self.geometry else { return };
        if !self.life.is_active() {
            return;
        }
        let wanted = |piece: &PieceIndex| !self.pieces.has(*piece) && self.priority_of(*piece) != Priority::Skip;
        let lacking = geometry.pieces().filter(wanted).count();
        self.pieces.set_lacking(u32::try_from(lacking).unwrap_or(u32::MAX));
        let fetches = self.life.goal() == Goal::Download && !self.life.is_paused() && lacking > 0;
        let rarity = fetches.then(|| {
            let mut rarity = Rarity::new(geometry.piece_count());
            for peer in self.peers.values() {
                match &peer.giving.holdings {
                    Holdings::AllBut(missing) => missing.iter().for_each(|piece| rarity.decrement(*piece)),
                    Holdings::Some(bits) => bits.iter().for_each(|piece| rarity.increment(piece)),
                }
            }
            let absent = geometry.pieces().filter(|piece| self.pieces.get(*piece).is_none());
            for piece in absent.filter(|piece| !self.pieces.has(*piece)) {
                rarity.insert(piece, self.priority_of(piece));
            }
            rarity
        });
        self.pieces.set_rarity(rarity);
        let keys: Vec<_> = self.peers.keys().copied().collect();
        for key in keys {
            self.recount_useful(key);
        }
        self.settle_missing();
        self.wake_all();
        self.fill_all(now);
    }

    /// Notes whether everything wanted is here, and says so once.
    pub(super) fn settle_missing(&mut self) {
        if !self.life.is_active() {
            return;
        }
        let missing = self.pieces.lacking() > 0;
        if self.life.goal() == Goal::Download && self.life.note_missing(missing) {
            self.act(Action::Finished);
        }
        if self.pieces.is_complete() {
            self.pieces.set_rarity(None);
            if self.life.complete() {
                self.act(Action::Announce(Announce::Completed));
            }
        }
        if !missing {
            let keys: Vec<_> = self.peers.keys().copied().collect();
            keys.into_iter().for_each(|key| self.part_if_redundant(key));
        }
    }

    /// Peers hear what a check has changed, one message each; to tell much, the connection begins anew.
    fn tell_difference(&mut self, before: &Bitfield) {
        let have = self.pieces.have();
        let new: Vec<_> = have.ones().filter(|piece| !before.get(*piece)).map(Command::Have).collect();
        let gone: Vec<_> = before.ones().filter(|piece| !have.get(*piece)).map(Command::DontHave).collect();
        let keys: Vec<_> = self.peers.iter().filter(|(_, peer)| !peer.leaving).map(|(key, _)| *key).collect();
        for key in keys {
            if new.len() + gone.len() > MAX_TOLD {
                self.part(key, Parting::Reintroduce);
            } else {
                new.iter().chain(&gone).for_each(|command| self.send(key, *command));
            }
        }
    }

    /// Takes all requests back and gives all pieces up that are not complete in memory.
    pub(super) fn drop_everything_open(&mut self, now: Instant) {
        self.drop_open(now, |_, _| true);
    }

    fn drop_unwanted(&mut self, now: Instant) {
        self.drop_open(now, |swarm, piece| swarm.priority_of(piece) == Priority::Skip);
    }

    fn drop_open(&mut self, now: Instant, which: impl Fn(&Self, PieceIndex) -> bool) {
        let fetching = self.pieces.open_pieces().filter(|(_, open)| open.stage == Stage::Fetching);
        let open: Vec<_> = fetching.map(|(piece, _)| piece).filter(|piece| which(self, *piece)).collect();
        open.into_iter().for_each(|piece| self.give_up(now, piece));
    }

    pub(super) fn retry(&mut self, now: Instant, due: Due) {
        match due {
            Due::Nothing => {}
            Due::Check => self.act(Action::Check),
            Due::RetryStorage => {
                self.act(Action::RetryStorage);
                self.wake_all();
                self.fill_all(now);
            }
        }
    }

    /// What follows every change: more requests, more dials, the phase. Cheap when nothing has changed.
    pub(super) fn settle(&mut self, now: Instant) {
        self.settle_phase();
        self.plan_sweep(now);
        self.dial(now);
        self.plan_tick(now);
    }

    fn settle_phase(&mut self) {
        let phase = self.life.phase(self.pieces.is_complete() && self.geometry.is_some(), self.is_finished());
        if std::mem::replace(&mut self.phase, phase) != phase {
            self.act(Action::Phase(phase));
        }
    }

    fn part_all(&mut self, why: Parting) {
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        keys.into_iter().for_each(|key| self.part(key, why));
    }
}
