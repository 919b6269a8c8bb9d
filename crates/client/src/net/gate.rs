//! Who may be in the middle of a handshake: strangers cost a descriptor and a task each, and must not lock others out.
//! In: streams that peers open. Out: which of those that wait has to go. Never: streams that we dialled.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Incoming handshakes under way, of all addresses together.
const MAX_WAITING: usize = 256;

/// Incoming handshakes under way from one address. More than one host may be behind it.
const MAX_WAITING_PER_ADDRESS: usize = 32;

/// Counts incoming handshakes. A newcomer is always let in: where there is no room, the one that has been silent longest
/// has to go, so a flood of silent connections delays nobody. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// In the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    per_address: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Waiting {
    address: IpAddr,
    /// It has said something.
    spoken: bool,
    evicted: Arc<Notify>,
}

/// A handshake under way; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Ticket {
    gate: Gate,
    number: u64,
    evicted: Arc<Notify>,
}

impl Gate {
    /// Lets a stream in, and somebody else out if there is no room.
    pub(crate) fn enter(&self, address: IpAddr) -> Ticket {
        let mut state = self.lock();
        let theirs = state.per_address.get(&address).copied().unwrap_or(0);
        if theirs >= MAX_WAITING_PER_ADDRESS {
            state.evict(address);
        } else if state.waiting.len() >= MAX_WAITING {
            // The address with the most of them is the likeliest to be a flood.
            let crowd = state.per_address.iter().max_by_key(|(_, count)| **count).map(|(address, _)| *address);
            crowd.into_iter().for_each(|crowd| state.evict(crowd));
        }
        let (number, evicted) = (state.next, Arc::new(Notify::new()));
        state.next += 1;
        state.waiting.insert(number, Waiting { address, spoken: false, evicted: Arc::clone(&evicted) });
        *state.per_address.entry(address).or_default() += 1;
        Ticket { gate: self.clone(), number, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest silent one of this address goes, or the oldest, if all of them have spoken.
    fn evict(&mut self, address: IpAddr) {
        let theirs = self.waiting.iter().filter(|(_, waiting)| waiting.address == address);
        let oldest = theirs.min_by_key(|(number, waiting)| (waiting.spoken, **number)).map(|(number, _)| *number);
        if let Some(waiting) = oldest.and_then(|number| self.leave(number)) {
            waiting.evicted.notify_one();
        }
    }

    fn leave(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        if let Some(count) = self.per_address.get_mut(&waiting.address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&waiting.address);
            }
        }
        Some(waiting)
    }
}

impl Ticket {
    /// The peer has said something: silent ones go before it.
    pub(crate) fn spoken(&self) {
        if let Some(waiting) = self.gate.lock().waiting.get_mut(&self.number) {
            waiting.spoken = true;
        }
    }

    /// Returns when the stream has to make room for another.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gate.lock().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_evicted(ticket: &Ticket) -> bool {
        let mut future = pin!(ticket.evicted());
        future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn of_one_address_the_oldest_silent_one_makes_room() {
        let gate = Gate::default();
        let mut tickets: Vec<_> = (0..MAX_WAITING_PER_ADDRESS).map(|_| gate.enter(ip(1))).collect();
        tickets[0].spoken();
        let newcomer = gate.enter(ip(1));
        let gone: Vec<_> = (0..tickets.len()).filter(|index| is_evicted(&tickets[*index])).collect();
        assert_eq!(gone, [1]);
        assert!(!is_evicted(&newcomer));
        tickets.clear();
        drop(newcomer);
        assert!(gate.lock().per_address.is_empty(), "nothing is left of those that have gone");
    }

    #[test]
    fn a_flood_makes_room_for_other_addresses() {
        let gate = Gate::default();
        let strangers: Vec<_> = (2..=200).map(|last| gate.enter(ip(last))).collect();
        let flood: Vec<_> = (0..1000).map(|_| gate.enter(ip(1))).collect();
        let honest = gate.enter(ip(201));
        assert!(strangers.iter().chain([&honest]).all(|ticket| !is_evicted(ticket)));
        assert!(gate.lock().waiting.len() <= MAX_WAITING);
        assert!(flood.iter().filter(|ticket| is_evicted(ticket)).count() >= 1000 - MAX_WAITING_PER_ADDRESS);
    }
}
