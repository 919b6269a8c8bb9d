//! Work that takes long, a few pieces of it at a time: threads are started when there is work, and end soon after.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::lock;

/// How long a thread waits for more work.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A queue with at most so many threads. Dropping it lets what was queued run to its end.
#[derive(Clone)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    most: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
}

impl Queue {
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self { shared: Arc::default(), most: most.get() }
    }

    /// Queues work. If no thread can be started for it, and none is there, it comes back.
    pub(crate) fn push(&self, work: Work) -> Result<(), Work> {
        let mut state = lock(&self.shared.state);
        state.waiting.push_back(work);
        if state.idle >= state.waiting.len() || state.threads >= self.most {
            drop(state);
            self.shared.filled.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new().name("torrent-check".into()).spawn(move || shared.run());
        match started {
            Ok(_) => state.threads = state.threads.saturating_add(1),
            Err(_) if state.threads == 0 => return state.waiting.pop_back().map_or(Ok(()), Err),
            Err(_) => {}
        }
        Ok(())
    }
}

impl Shared {
    fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = state.waiting.pop_front() {
                drop(state);
                work();
                state = lock(&self.state);
                continue;
            }
            state.idle = state.idle.saturating_add(1);
            let (woken, timeout) = self
                .filled
                .wait_timeout_while(state, PATIENCE, |state| state.waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle = state.idle.saturating_sub(1);
            if timeout.timed_out() && state.waiting.is_empty() {
                state.threads = state.threads.saturating_sub(1);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn all_work_is_done_and_no_more_of_it_at_once_than_allowed() {
        let queue = Queue::new(NonZeroUsize::MIN);
        let running = Arc::new(Mutex::new(()));
        let (done, results) = mpsc::channel();
        for number in 0..50 {
            let (running, done) = (Arc::clone(&running), done.clone());
            let work = move || {
                let alone = running.try_lock().is_ok();
                done.send((number, alone)).unwrap();
            };
            assert!(queue.push(Box::new(work)).is_ok());
        }
        let results: Vec<_> = (0..50).map(|_| results.recv().unwrap()).collect();
        assert_eq!(results, (0..50).map(|number| (number, true)).collect::<Vec<_>>());
    }
}
