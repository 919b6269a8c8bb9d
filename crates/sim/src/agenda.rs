//! What happens when: a heap of small entries, with the contents beside it, so that reordering the heap moves no parcel.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Events by time. Those of one moment come in the order in which they were planned.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Reverse<Entry>>,
    events: Vec<Option<E>>,
    free: Vec<u32>,
    next_sequence: u64,
}

/// Nanoseconds since the beginning of the world, then order of planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: u64,
    sequence: u64,
    slot: u32,
}

impl<E> Agenda<E> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), next_sequence: 0 }
    }

    pub(crate) fn plan(&mut self, at: u64, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.events[slot as usize] = Some(event);
                slot
            }
            None => {
                self.events.push(Some(event));
                u32::try_from(self.events.len() - 1).expect("fewer than four billion events are planned at a time")
            }
        };
        self.heap.push(Reverse(Entry { at, sequence: self.next_sequence, slot }));
        self.next_sequence += 1;
    }

    /// The time of the next event.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse(Entry { at, slot, .. }) = self.heap.pop()?;
        self.free.push(slot);
        Some((at, self.events[slot as usize].take()?))
    }
}
