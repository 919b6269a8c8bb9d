//! One clock for all torrents: a queue of deadlines and one task that calls each torrent when its own has come.
//! A torrent that plans nothing is not in the queue, and costs nothing here.
//! In: "call this one at that time". Out: calls of [`Sleeper::wake`]. Never: what a torrent then does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use tokio::sync::Notify;

use crate::clock;

/// Calls made before the task lets others run.
const BATCH: usize = 64;

/// Names one sleeper. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SleeperKey(pub(crate) u64);

/// Something that has deadlines.
pub(crate) trait Sleeper: Send + Sync {
    /// A deadline has come. It is forgotten now: the next one has to be scheduled again.
    fn wake(self: Arc<Self>, now: Instant);
}

pub(crate) struct Scheduler<S> {
    queue: Mutex<Queue<S>>,
    /// The first deadline has changed.
    changed: Notify,
}

struct Queue<S> {
    order: BTreeSet<(Instant, SleeperKey)>,
    sleepers: BTreeMap<SleeperKey, (Instant, Weak<S>)>,
}

impl<S: Sleeper> Scheduler<S> {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(Queue { order: BTreeSet::new(), sleepers: BTreeMap::new() }), changed: Notify::new() }
    }

    /// Calls the sleeper at this time at the latest.
    pub(crate) fn schedule(&self, key: SleeperKey, at: Instant, sleeper: impl FnOnce() -> Weak<S>) {
        let mut queue = self.lock();
        match queue.sleepers.get(&key).map(|(known, _)| *known) {
            Some(known) if known <= at => return,
            Some(known) => {
                queue.order.remove(&(known, key));
                if let Some((known, _)) = queue.sleepers.get_mut(&key) {
                    *known = at;
                }
            }
            None => {
                queue.sleepers.insert(key, (at, sleeper()));
            }
        }
        queue.order.insert((at, key));
        let is_first = queue.order.first() == Some(&(at, key));
        drop(queue);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Does not call the sleeper any more.
    pub(crate) fn forget(&self, key: SleeperKey) {
        let mut queue = self.lock();
        if let Some((at, _)) = queue.sleepers.remove(&key) {
            queue.order.remove(&(at, key));
        }
    }

    /// Sleepers with a deadline.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Calls sleepers until the task is aborted.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let mut called: usize = 0;
            let next = loop {
                let now = clock::now();
                match self.take_due(now) {
                    Ok(sleeper) => sleeper.into_iter().for_each(|sleeper| sleeper.wake(now)),
                    Err(next) => break next,
                }
                called += 1;
                if called.is_multiple_of(BATCH) {
                    tokio::task::yield_now().await;
                }
            };
            let sleep = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// A sleeper whose time has come, which may have gone; or when to look again.
    fn take_due(&self, now: Instant) -> Result<Option<Arc<S>>, Option<Instant>> {
        let mut queue = self.lock();
        match queue.order.first().copied() {
            Some((at, key)) if at <= now => {
                queue.order.pop_first();
                Ok(queue.sleepers.remove(&key).and_then(|(_, sleeper)| sleeper.upgrade()))
            }
            first => Err(first.map(|(at, _)| at)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> std::fmt::Debug for Scheduler<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scheduler")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    struct Sleepy(u64, mpsc::UnboundedSender<(u64, Instant)>);

    impl Sleeper for Sleepy {
        fn wake(self: Arc<Self>, now: Instant) {
            self.1.send((self.0, now)).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sleepers_are_called_in_order_once_and_at_their_earliest_deadline() {
        let scheduler = Arc::new(Scheduler::new());
        let (calls, mut called) = mpsc::unbounded_channel();
        let sleepers: Vec<_> = (0..3).map(|number| Arc::new(Sleepy(number, calls.clone()))).collect();
        tokio::spawn(Arc::clone(&scheduler).run());
        let start = clock::now();
        let schedule = |number: usize, seconds| {
            let at = start + Duration::from_secs(seconds);
            scheduler.schedule(SleeperKey(number as u64), at, || Arc::downgrade(&sleepers[number]));
        };
        schedule(0, 30);
        schedule(1, 20);
        schedule(1, 40);
        tokio::time::sleep(Duration::from_secs(1)).await;
        schedule(2, 10);
        schedule(0, 15);
        let mut order = Vec::new();
        for _ in 0..3 {
            let (number, at) = called.recv().await.unwrap();
            order.push((number, (at - start).as_secs()));
        }
        assert_eq!(order, [(2, 10), (0, 15), (1, 20)]);
        assert_eq!(scheduler.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn sleepers_that_are_forgotten_or_gone_are_not_called() {
        let scheduler = Arc::new(Scheduler::new());
        let (calls, mut called) = mpsc::unbounded_channel();
        let sleepers = [0, 1, 2].map(|number| Arc::new(Sleepy(number, calls.clone())));
        let now = clock::now();
        for (number, sleeper) in (0..).zip(&sleepers) {
            scheduler.schedule(SleeperKey(number), now + Duration::from_secs(number), || Arc::downgrade(sleeper));
        }
        let [gone, forgotten, kept] = sleepers;
        drop(gone);
        scheduler.forget(SleeperKey(forgotten.0));
        let task = tokio::spawn(Arc::clone(&scheduler).run());
        assert_eq!(called.recv().await.unwrap().0, kept.0);
        assert!(called.try_recv().is_err());
        task.abort();
    }
}
