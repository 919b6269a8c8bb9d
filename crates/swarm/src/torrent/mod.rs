//! One torrent: routes facts to the owners of each concern and collects what they want done.
//! In: commands of the user, addresses, connections, facts, outcomes of hashing and storage, time. Out: actions, verdicts, the
//! next deadline. Never here: sockets, clocks, bytes of pieces, decisions that an owner can make alone.

mod admission;
#[cfg(any(fuzzing, test))]
mod check;
mod connections;
mod facts;
mod holdings;
mod life;
mod report;
mod requesting;
mod storing;
mod take_over;
mod timing;
mod uploading;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use rand::{SeedableRng, rngs::SmallRng};
use torrent_types::{Bitfield, Block, Geometry, PieceIndex};

use crate::{
    Action, Command, Config, PeerKey, Phase, Priority, Shared,
    blame::Blame,
    choker::Choker,
    discovery::Book,
    lifecycle::Lifecycle,
    peer::Peer,
    pieces::Pieces,
    rates::Rate,
    shared::{Claim, Host},
    wanted::Wanted,
};

/// The state of one torrent, from the magnet link to the end.
///
/// Push facts in with the `handle` methods. After every call, take all actions out with [`Swarm::poll_action`] and carry them
/// out in order, and look at [`Swarm::poll_timeout`] again: it tells when to call [`Swarm::handle_timeout`] at the latest.
/// Time never goes back. [`Swarm::handle_facts`] fills in verdicts and [`Swarm::take_uploads`] returns blocks; everything else
/// comes out as actions.
#[derive(Debug)]
pub struct Swarm {
    geometry: Option<Geometry>,
    config: Config,
    shared: Shared,
    life: Lifecycle,
    /// The phase that was told last.
    phase: Phase,
    wanted: Wanted,
    pieces: Pieces,
    blame: Blame,
    /// Pieces that no connected peer has right.
    damaged: BTreeSet<PieceIndex>,
    peers: BTreeMap<PeerKey, Peer>,
    next_key: u32,
    /// Connections of each host that are not being closed.
    hosts: BTreeMap<Host, u32>,
    /// Faults of hosts that do not ban at once.
    faults: BTreeMap<Host, u8>,
    connections: Claim,
    slots: Claim,
    choker: Choker,
    book: Book,
    bans_seen: u64,
    /// Peers that could be asked for more than there was to ask for.
    hungry: BTreeSet<PeerKey>,
    /// Peers that may be asked for something: they share the memory.
    working: u32,
    rng: SmallRng,
    down: Rate,
    up: Rate,
    wasted: u64,
    /// Pieces that came since the peers were told.
    news: Vec<PieceIndex>,
    times: timing::Times,
    pex_generation: u64,
    actions: VecDeque<Action>,
    picked: Vec<Block>,
    dropped: Vec<Block>,
}

impl Swarm {
    /// A torrent whose metadata is not known yet, in [`Phase::Metadata`]. `seed` feeds its only source of randomness.
    #[must_use]
    pub fn new(now: Instant, seed: u64, config: Config, shared: Shared) -> Self {
        let nothing = Geometry::new(0, 1).expect("a torrent without pieces");
        Self {
            geometry: None,
            life: Lifecycle::new(),
            phase: Phase::Metadata,
            wanted: Wanted::default(),
            pieces: Pieces::new(nothing, Bitfield::new(0), Claim::new(shared.memory.clone())),
            blame: Blame::default(),
            damaged: BTreeSet::new(),
            peers: BTreeMap::new(),
            next_key: 0,
            hosts: BTreeMap::new(),
            faults: BTreeMap::new(),
            connections: Claim::new(shared.connections.clone()),
            slots: Claim::new(shared.slots.clone()),
            choker: Choker::new(),
            book: Book::new(&config),
            bans_seen: shared.bans.generation(),
            hungry: BTreeSet::new(),
            working: 0,
            rng: SmallRng::seed_from_u64(seed),
            down: Rate::new(now),
            up: Rate::new(now),
            wasted: 0,
            news: Vec::new(),
            times: timing::Times::new(now),
            pex_generation: 0,
            actions: VecDeque::new(),
            picked: Vec::new(),
            dropped: Vec::new(),
            config,
            shared,
        }
    }

    /// What the driver has to do next. Take actions until there are none, after every call of a `handle` method.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn send(&mut self, key: PeerKey, command: Command) {
        self.actions.push_back(Action::Send(key, command));
    }

    /// What counts for the picker.
    fn priority_of(&self, piece: PieceIndex) -> Priority {
        self.wanted.priority(piece)
    }
}

/// Attempts that are under way are no longer this torrent's; everything else is given back by its owner.
impl Drop for Swarm {
    fn drop(&mut self) {
        (0..self.book.dialing()).for_each(|_| self.shared.dials.end());
    }
}
