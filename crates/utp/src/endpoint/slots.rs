//! Where connections live, and the one structure that knows their deadlines.
//! A connection has at most one entry among the deadlines. One that moves later is left as it is: it fires too early once, which costs less
//! than moving it with each packet.

use std::collections::BTreeSet;

use crate::{clock::Micros, connection::Connection};

/// Names a connection of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub(crate) const fn index(self) -> u32 {
        self.index
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
    armed: Option<Micros>,
    /// It stands in the queue of connections that may have something to send.
    queued: bool,
    unaccepted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    deadlines: BTreeSet<(Micros, u32)>,
    live: usize,
}

impl Slots {
    pub(super) const fn len(&self) -> usize {
        self.live
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(index).ok()?)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    pub(super) fn insert(&mut self, connection: Connection) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        self.live = self.live.saturating_add(1);
        let Some(slot) = self.slot_mut(index) else { return Key { index, generation: 0 } };
        slot.connection = Some(Box::new(connection));
        slot.unaccepted = false;
        Key { index, generation: slot.generation }
    }

    pub(super) fn remove(&mut self, index: u32) {
        let Some(slot) = self.slot_mut(index) else { return };
        if slot.connection.take().is_none() {
            return;
        }
        slot.generation = slot.generation.wrapping_add(1);
        slot.unaccepted = false;
        let armed = slot.armed.take();
        if let Some(at) = armed {
            self.deadlines.remove(&(at, index));
        }
        self.free.push(index);
        self.live = self.live.saturating_sub(1);
    }

    pub(super) fn get(&self, index: u32) -> Option<&Connection> {
        self.slot(index)?.connection.as_deref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Connection> {
        self.slot_mut(index)?.connection.as_deref_mut()
    }

    /// The connection and the key that the application knows it by.
    pub(super) fn keyed_mut(&mut self, index: u32) -> Option<(Key, &mut Connection)> {
        let slot = self.slot_mut(index)?;
        let key = Key { index, generation: slot.generation };
        Some((key, slot.connection.as_deref_mut()?))
    }

    /// The connection that the application means, unless it has given it up.
    pub(super) fn named(&self, key: Key) -> Option<&Connection> {
        let slot = self.slot(key.index).filter(|slot| slot.generation == key.generation)?;
        slot.connection.as_deref().filter(|connection| !connection.is_detached())
    }

    /// The connection that the application means, unless it has given it up.
    pub(super) fn named_mut(&mut self, key: Key) -> Option<&mut Connection> {
        let slot = self.slot_mut(key.index).filter(|slot| slot.generation == key.generation)?;
        slot.connection.as_deref_mut().filter(|connection| !connection.is_detached())
    }

    pub(super) fn set_unaccepted(&mut self, index: u32) {
        if let Some(slot) = self.slot_mut(index) {
            slot.unaccepted = true;
        }
    }

    /// Was it not accepted before?
    pub(super) fn clear_unaccepted(&mut self, key: Key) -> bool {
        self.slot_mut(key.index)
            .filter(|slot| slot.generation == key.generation)
            .is_some_and(|slot| std::mem::take(&mut slot.unaccepted))
    }

    /// Was it not queued before?
    pub(super) fn set_queued(&mut self, index: u32) -> bool {
        self.slot_mut(index).is_some_and(|slot| !std::mem::replace(&mut slot.queued, true))
    }

    pub(super) fn clear_queued(&mut self, index: u32) {
        if let Some(slot) = self.slot_mut(index) {
            slot.queued = false;
        }
    }

    pub(super) fn arm(&mut self, index: u32, deadline: Option<Micros>) {
        let Some(deadline) = deadline else { return };
        let Some(slot) = self.slot_mut(index) else { return };
        match slot.armed {
            Some(armed) if armed <= deadline => {}
            armed => {
                slot.armed = Some(deadline);
                if let Some(armed) = armed {
                    self.deadlines.remove(&(armed, index));
                }
                self.deadlines.insert((deadline, index));
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Micros> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Takes a connection whose deadline has come.
    pub(super) fn due(&mut self, now: Micros) -> Option<u32> {
        let &(at, index) = self.deadlines.first().filter(|&&(at, _)| at <= now)?;
        self.deadlines.remove(&(at, index));
        if let Some(slot) = self.slot_mut(index) {
            slot.armed = None;
        }
        Some(index)
    }
}
