//! The swarm of one torrent behind its lock, and what it wants said to each peer.
//! The lock is held for a state transition only: never across an await, a hash or a disk operation.
//! Actions are handed out under the lock, so that two threads cannot change their order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, mpsc};
use torrent_swarm::{Action, Command, Fact, Parting, PeerKey, Swarm, Verdict};

use crate::clock;

/// What the torrent's own task has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Dial(SocketAddr),
    Finished,
}

#[derive(Debug)]
pub(crate) struct Brain {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    swarm: Swarm,
    outboxes: BTreeMap<PeerKey, Outbox>,
    orders: mpsc::UnboundedSender<Order>,
}

/// What one peer is to be told.
#[derive(Debug, Default)]
struct Outbox {
    commands: Vec<Command>,
    errand: Errand,
    wake: Arc<Notify>,
}

/// What one peer's task has to do besides sending messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Errand {
    /// Its upload queue is no longer empty.
    pub(crate) serve: bool,
    /// The connection is to be closed.
    pub(crate) close: Option<Parting>,
}

impl Brain {
    /// The swarm's actions that no peer's task can do go to `orders`: at most one per address dialled, and one at the end.
    pub(crate) fn new(swarm: Swarm, orders: mpsc::UnboundedSender<Order>) -> Self {
        Self { state: Mutex::new(State { swarm, outboxes: BTreeMap::new(), orders }) }
    }

    /// Changes the swarm's state, and passes on what follows from it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Swarm) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut state.swarm);
        state.pass_on(None);
        outcome
    }

    /// A peer is connected: from now on it has an outbox, which wakes `wake`.
    pub(crate) fn admit<E>(
        &self,
        wake: Arc<Notify>,
        connect: impl FnOnce(&mut Swarm) -> Result<PeerKey, E>,
    ) -> Result<PeerKey, E> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = connect(&mut state.swarm);
        if let Ok(key) = key {
            state.outboxes.insert(key, Outbox { wake, ..Outbox::default() });
        }
        state.pass_on(None);
        key
    }

    /// The peer's task has ended.
    pub(crate) fn dismiss(&self, key: PeerKey) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.outboxes.remove(&key);
        state.swarm.disconnected(clock::now(), key);
        state.pass_on(None);
    }

    /// One read's worth of facts of a peer in; verdicts and what to tell this peer out.
    pub(crate) fn exchange(
        &self,
        key: PeerKey,
        facts: &mut Vec<Fact>,
        verdicts: &mut Vec<Verdict>,
        commands: &mut Vec<Command>,
    ) -> Errand {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.swarm.handle(clock::now(), key, facts.drain(..), verdicts);
        state.pass_on(Some(key));
        state.outboxes.get_mut(&key).map_or_else(Errand::default, |outbox| {
            commands.append(&mut outbox.commands);
            std::mem::take(&mut outbox.errand)
        })
    }

    /// Wakes every peer's task and has it close.
    pub(crate) fn close_all(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for outbox in state.outboxes.values_mut() {
            outbox.errand.close = Some(Parting::Redundant);
            outbox.wake.notify_one();
        }
    }
}

impl State {
    /// Distributes what the swarm wants. `awake`: the peer whose task is looking already.
    fn pass_on(&mut self, awake: Option<PeerKey>) {
        let outboxes = &mut self.outboxes;
        for action in self.swarm.drain_actions() {
            // Orders are lost only when the torrent itself has gone.
            let _ = match action {
                Action::Send(key, command) => post(outboxes, key, awake, |outbox| outbox.commands.push(command)),
                Action::Serve(key) => post(outboxes, key, awake, |outbox| outbox.errand.serve = true),
                Action::Disconnect(key, why) => post(outboxes, key, awake, |outbox| outbox.errand.close = Some(why)),
                Action::Dial(address) => self.orders.send(Order::Dial(address)).ok(),
                Action::Finished => self.orders.send(Order::Finished).ok(),
                _ => None,
            };
        }
    }
}

fn post(
    outboxes: &mut BTreeMap<PeerKey, Outbox>,
    key: PeerKey,
    awake: Option<PeerKey>,
    put: impl FnOnce(&mut Outbox),
) -> Option<()> {
    let outbox = outboxes.get_mut(&key)?;
    put(outbox);
    if awake != Some(key) {
        outbox.wake.notify_one();
    }
    Some(())
}
