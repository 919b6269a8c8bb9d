//! The swarm of one torrent behind its lock, and what it wants said to each peer.
//!
//! The lock is held for a state transition only: never across an await, a hash or a disk operation. What the swarm wants
//! of peers and of the disk is passed on under the lock, so that two threads cannot change its order; what takes longer
//! is collected, and done after the lock is released.
//! In: changes. Out: full outboxes, work to do, deadlines for the scheduler.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;
use torrent_disk::{Slot, TorrentDisk};
use torrent_swarm::{
    Action, Announce, Attempt, Command, Connected, Ending, Fact, Parting, PeerKey, Phase, Refused, Swarm, Verdict,
};
use torrent_types::{Block, PieceIndex};

use super::TorrentInner;
use crate::clock;

/// A swarm and the outboxes of its peers.
#[derive(Debug)]
pub(crate) struct SwarmCell {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    swarm: Swarm,
    outboxes: BTreeMap<PeerKey, Outbox>,
    /// The deadline that the scheduler knows of.
    scheduled: Option<Instant>,
}

#[derive(Debug)]
struct Outbox {
    mail: Mail,
    wake: Arc<Notify>,
}

/// What a peer has said, and what becomes of the blocks among it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) facts: Vec<Fact>,
    /// Blocks that have arrived, and where their data lies in the receive buffer.
    pub(crate) blocks: Vec<(Block, Range<usize>)>,
    /// One for each block.
    pub(crate) verdicts: Vec<Verdict>,
    /// One for each run of accepted blocks of one piece.
    pub(crate) slots: Vec<Slot>,
}

impl Batch {
    /// Slots are taken under the swarm's lock: a piece that is forgotten and fetched again afterwards has another slot.
    fn take_slots(&mut self, disk: &TorrentDisk) {
        let mut piece = None;
        for ((block, _), verdict) in self.blocks.iter().zip(&self.verdicts) {
            if *verdict == Verdict::Buffer && piece != Some(block.piece()) {
                piece = Some(block.piece());
                self.slots.push(disk.slot(block.piece()));
            }
        }
    }

    /// Puts each accepted block where it belongs. `received` is what the ranges are of.
    pub(crate) fn store(&mut self, received: &[u8]) {
        let mut piece = None;
        let mut slots = self.slots.drain(..);
        let mut slot = None;
        for ((block, range), verdict) in self.blocks.drain(..).zip(self.verdicts.drain(..)) {
            if verdict == Verdict::Discard {
                continue;
            }
            if piece != Some(block.piece()) {
                (piece, slot) = (Some(block.piece()), slots.next());
            }
            if let (Some(slot), Some(data)) = (&slot, received.get(range))
                && let Err(error) = slot.put(block, data)
            {
                // The piece was forgotten meanwhile: the swarm counts on nothing of it.
                tracing::debug!(?block, ?error, "a block came too late");
            }
        }
    }
}

/// What a peer's task has to do.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// Messages to send, in order.
    pub(crate) commands: Vec<Command>,
    /// Blocks of the metadata to ask for, by number.
    pub(crate) metadata_requests: Vec<u32>,
    /// The metadata has become known.
    pub(crate) metadata_known: bool,
    /// The upload queue is no longer empty.
    pub(crate) serve: bool,
    /// The connection is to be closed.
    pub(crate) close: Option<Parting>,
    /// The same, because the peer has given wrong metadata.
    pub(crate) liar: bool,
}

impl Mail {
    /// Moves everything over, and keeps the memory of the vectors on both sides.
    fn take_from(&mut self, other: &mut Self) {
        self.commands.append(&mut other.commands);
        self.metadata_requests.append(&mut other.metadata_requests);
        self.metadata_known |= std::mem::take(&mut other.metadata_known);
        self.serve |= std::mem::take(&mut other.serve);
        self.close = other.close.take().or(self.close);
        self.liar |= other.liar;
    }
}

/// Work that is done after the lock is released.
#[derive(Debug)]
pub(super) enum Job {
    Announce(Announce),
    Check,
    Damaged(PieceIndex),
    Dial(Attempt),
    Finished,
    Leave,
    Phase(Phase),
    RetryStorage,
    Testify(PieceIndex),
}

impl SwarmCell {
    pub(crate) fn new(swarm: Swarm) -> Self {
        Self { state: Mutex::new(State { swarm, outboxes: BTreeMap::new(), scheduled: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TorrentInner {
    /// Looks at the swarm.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Swarm) -> T) -> T {
        look(&self.cell.lock().swarm)
    }

    /// Changes the swarm's state, and does what follows from it.
    pub(crate) fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut Swarm, Instant) -> T) -> T {
        let mut state = self.cell.lock();
        let outcome = change(&mut state.swarm, clock::now());
        let jobs = self.pass_on(&mut state, None);
        drop(state);
        self.work(jobs);
        outcome
    }

    /// A peer has completed its handshakes: if it is admitted, it has an outbox from now on, which wakes `wake`.
    pub(crate) fn admit(self: &Arc<Self>, wake: Arc<Notify>, connected: Connected) -> Result<PeerKey, Refused> {
        let mut state = self.cell.lock();
        let key = state.swarm.handle_connected(clock::now(), connected);
        if let Ok(key) = key {
            state.outboxes.insert(key, Outbox { mail: Mail::default(), wake });
        }
        let jobs = self.pass_on(&mut state, None);
        drop(state);
        self.work(jobs);
        key
    }

    /// The peer's task has ended.
    pub(crate) fn dismiss(self: &Arc<Self>, key: PeerKey, ending: Ending) {
        self.metadata_gone(key);
        let mut state = self.cell.lock();
        state.outboxes.remove(&key);
        state.swarm.handle_disconnected(clock::now(), key, ending);
        let jobs = self.pass_on(&mut state, None);
        drop(state);
        self.work(jobs);
    }

    /// A batch of facts of a peer in; verdicts, slots for its blocks, and what this peer's task has to do, out.
    pub(crate) fn exchange(self: &Arc<Self>, key: PeerKey, batch: &mut Batch, mail: &mut Mail) {
        let mut state = self.cell.lock();
        if !batch.facts.is_empty() {
            state.swarm.handle_facts(clock::now(), key, batch.facts.drain(..), &mut batch.verdicts);
        }
        let jobs = self.pass_on(&mut state, Some(key));
        if let Some(content) = self.content.get() {
            batch.take_slots(&content.disk);
        }
        if let Some(outbox) = state.outboxes.get_mut(&key) {
            mail.take_from(&mut outbox.mail);
        }
        drop(state);
        self.work(jobs);
    }

    /// Puts something into the outbox of one peer.
    pub(super) fn post(&self, key: PeerKey, put: impl FnOnce(&mut Mail)) {
        self.cell.lock().post(key, None, put);
    }

    /// Puts something into the outbox of each peer.
    pub(super) fn post_all(&self, put: impl Fn(&mut Mail)) {
        for outbox in self.cell.lock().outboxes.values_mut() {
            put(&mut outbox.mail);
            outbox.wake.notify_one();
        }
    }

    /// The scheduler has forgotten this torrent's deadline, which may have come.
    pub(super) fn swarm_timeout(self: &Arc<Self>, now: Instant) {
        let mut state = self.cell.lock();
        state.scheduled = None;
        if state.swarm.poll_timeout().is_some_and(|due| due <= now) {
            state.swarm.handle_timeout(now);
        }
        let jobs = self.pass_on(&mut state, None);
        drop(state);
        self.work(jobs);
    }

    /// Distributes what the swarm wants. `awake`: the peer whose task is looking already.
    fn pass_on(self: &Arc<Self>, state: &mut State, awake: Option<PeerKey>) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let Some(action) = state.swarm.poll_action() {
            match action {
                Action::Send(key, command) => state.post(key, awake, |mail| mail.commands.push(command)),
                Action::Serve(key) => state.post(key, awake, |mail| mail.serve = true),
                Action::Disconnect(key, why) => state.post(key, awake, |mail| mail.close = Some(why)),
                // Under the lock: blocks of the next copy must not meet the buffer of this one.
                Action::Forget(piece) => self.content.get().into_iter().for_each(|content| content.disk.forget(piece)),
                Action::Write(piece) => self.content.get().into_iter().for_each(|content| content.disk.write(piece)),
                Action::Announce(what) => jobs.push(Job::Announce(what)),
                Action::Check => jobs.push(Job::Check),
                Action::Damaged(piece) => jobs.push(Job::Damaged(piece)),
                Action::Dial(attempt) => jobs.push(Job::Dial(attempt)),
                Action::Finished => jobs.push(Job::Finished),
                Action::Leave => jobs.push(Job::Leave),
                Action::Phase(phase) => jobs.push(Job::Phase(phase)),
                Action::RetryStorage => jobs.push(Job::RetryStorage),
                Action::Testify(piece) => jobs.push(Job::Testify(piece)),
            }
        }
        if let Some(due) = state.swarm.poll_timeout()
            && state.scheduled.is_none_or(|known| due < known)
        {
            state.scheduled = Some(due);
            self.schedule(due);
        }
        jobs
    }
}

impl State {
    fn post(&mut self, key: PeerKey, awake: Option<PeerKey>, put: impl FnOnce(&mut Mail)) {
        // A peer whose task has ended needs nothing any more.
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        put(&mut outbox.mail);
        if awake != Some(key) {
            outbox.wake.notify_one();
        }
    }
}
