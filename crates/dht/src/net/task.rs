//! The one task of a DHT: sockets, nodes and the deadline.
//! In: datagrams, and what handles changed under the lock. Out: datagrams; events to those who wait for them.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Sleep,
};
use torrent_types::{Datagram, HostPort};

use super::{
    announcer::Announced,
    lookup::{LookupError, Report},
    socket::DatagramSocket,
};
use crate::{
    id::Id,
    item::Item,
    node::{Answer, Ask, Event, Family, LookupId, Node, QueryError, QueryId, Search},
    snapshot::Snapshot,
};

/// Datagrams that are taken from one socket before others have their turn.
const BATCH: usize = 64;
/// A socket that fails is left alone for so long.
const PAUSE: Duration = Duration::from_millis(50);
/// Names of routers that did not resolve are resolved again after this.
const RESOLVE_AGAIN: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What handles and the task share.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) nodes: Vec<Bound>,
    searches: BTreeMap<u64, Waiting>,
    parts: BTreeMap<(usize, LookupId), u64>,
    queries: BTreeMap<(usize, QueryId), oneshot::Sender<Result<Answer, QueryError>>>,
    pub(crate) announcers: BTreeMap<Id, mpsc::Sender<Announced>>,
    next_search: u64,
    ready: watch::Sender<bool>,
    closed: bool,
    waker: Option<Waker>,
}

/// A node and where it speaks.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) node: Node,
    pub(crate) socket: Arc<dyn DatagramSocket>,
    pub(crate) address: SocketAddr,
    /// Taken from the node, and not sent yet.
    stalled: Option<Datagram>,
    paused: Option<Instant>,
}

/// Somebody who waits for a lookup, which may run on several nodes.
#[derive(Debug)]
struct Waiting {
    search: Search,
    found: mpsc::UnboundedSender<SocketAddr>,
    done: Option<oneshot::Sender<Result<Report, LookupError>>>,
    report: Report,
    running: usize,
    /// Nodes on further addresses of a family, whose turn comes later. BEP 45 § "Multi addresses announce_peer".
    later: VecDeque<usize>,
    item: Option<Item>,
}

impl Shared {
    pub(crate) fn new(nodes: Vec<(Node, Arc<dyn DatagramSocket>)>) -> Arc<Self> {
        let bound = |(node, socket): (Node, Arc<dyn DatagramSocket>)| {
            let address = socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
            Bound { node, socket, address, stalled: None, paused: None }
        };
        Arc::new(Self(Mutex::new(State {
            nodes: nodes.into_iter().map(bound).collect(),
            searches: BTreeMap::new(),
            parts: BTreeMap::new(),
            queries: BTreeMap::new(),
            announcers: BTreeMap::new(),
            next_search: 0,
            ready: watch::Sender::new(false),
            closed: false,
            waker: None,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the state, and wakes the task to see to what follows from it.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state, now());
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

impl State {
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.searches.clear();
        self.parts.clear();
        self.queries.clear();
        self.announcers.clear();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.nodes.iter().map(|bound| bound.node.snapshot()).collect())
    }

    /// The first node of each family, and the others of the same families.
    fn by_family(&self) -> (Vec<usize>, VecDeque<usize>) {
        let (mut first, mut others) = (Vec::new(), VecDeque::new());
        let mut seen = Vec::new();
        for (index, bound) in self.nodes.iter().enumerate() {
            if seen.contains(&bound.node.family()) {
                others.push_back(index);
            } else {
                seen.push(bound.node.family());
                first.push(index);
            }
        }
        (first, others)
    }

    /// Starts a lookup on one node of each family.
    pub(crate) fn search(
        &mut self,
        now: Instant,
        search: Search,
        found: mpsc::UnboundedSender<SocketAddr>,
        done: oneshot::Sender<Result<Report, LookupError>>,
    ) -> u64 {
        self.next_search += 1;
        let id = self.next_search;
        let (first, others) = self.by_family();
        let announces = matches!(search, Search::GetPeers { announce: Some(_), .. });
        let later = if announces { others } else { VecDeque::new() };
        let waiting =
            Waiting { search, found, done: Some(done), report: Report::default(), running: 0, later, item: None };
        self.searches.insert(id, waiting);
        for node in first {
            self.start_part(now, id, node);
        }
        self.end_if_over(id);
        id
    }

    fn start_part(&mut self, now: Instant, id: u64, node: usize) {
        let (Some(waiting), Some(bound)) = (self.searches.get_mut(&id), self.nodes.get_mut(node)) else { return };
        match bound.node.handle_search(now, waiting.search.clone()) {
            Ok(lookup) => {
                waiting.running += 1;
                self.parts.insert((node, lookup), id);
            }
            Err(_) => waiting.report.busy = true,
        }
    }

    pub(crate) fn cancel(&mut self, now: Instant, id: u64) {
        if self.searches.remove(&id).is_none() {
            return;
        }
        let parts: Vec<(usize, LookupId)> =
            self.parts.iter().filter(|(_, search)| **search == id).map(|(part, _)| *part).collect();
        for part in parts {
            self.parts.remove(&part);
            if let Some(bound) = self.nodes.get_mut(part.0) {
                bound.node.handle_cancel(now, part.1);
            }
        }
    }

    pub(crate) fn ask(
        &mut self,
        now: Instant,
        to: SocketAddr,
        ask: Ask,
        done: oneshot::Sender<Result<Answer, QueryError>>,
    ) {
        let node = self.nodes.iter().position(|bound| bound.node.family() == Family::of(to));
        let query = node.and_then(|index| {
            let query = self.nodes.get_mut(index)?.node.handle_ask(now, to, ask).ok()?;
            Some((index, query))
        });
        match query {
            Some(key) => drop(self.queries.insert(key, done)),
            None => drop(done.send(Err(QueryError::Refused))),
        }
    }

    fn end_if_over(&mut self, id: u64) {
        let over = self.searches.get(&id).is_some_and(|waiting| waiting.running == 0);
        if over && let Some(mut waiting) = self.searches.remove(&id) {
            waiting.report.item = waiting.item.take();
            let result = match &waiting.report {
                report if report.answers > 0 => Ok(waiting.report),
                report if report.busy => Err(LookupError::Busy),
                _ => Err(LookupError::NoNodes),
            };
            if let Some(done) = waiting.done.take() {
                drop(done.send(result));
            }
        }
    }

    /// What the nodes have to say goes to those who wait for it.
    fn dispatch(&mut self, now: Instant, node: usize) {
        while let Some(event) = self.nodes.get_mut(node).and_then(|bound| bound.node.poll_event()) {
            match event {
                Event::Peers { lookup, peers } => {
                    if let Some(waiting) = self.waiting(node, lookup) {
                        for peer in peers {
                            let _ = waiting.found.send(peer);
                        }
                    }
                }
                Event::Item { lookup, item } => {
                    if let Some(waiting) = self.waiting(node, lookup) {
                        let newer = waiting.item.as_ref().is_none_or(|known| known.seq() < item.seq());
                        if newer {
                            waiting.item = Some(item);
                        }
                    }
                }
                Event::Finished { lookup, outcome } => {
                    let Some(id) = self.parts.remove(&(node, lookup)) else { continue };
                    let Some(waiting) = self.searches.get_mut(&id) else { continue };
                    waiting.running = waiting.running.saturating_sub(1);
                    waiting.report.add(*outcome);
                    let next = waiting.later.pop_front();
                    if let Some(next) = next {
                        self.start_part(now, id, next);
                    }
                    self.end_if_over(id);
                }
                Event::Answered { query, result, .. } => {
                    if let Some(done) = self.queries.remove(&(node, query)) {
                        drop(done.send(result.map(|answer| *answer)));
                    }
                }
                Event::ScheduledPeers { info_hash, peers } => {
                    self.tell_announcer(info_hash, Announced::Peers { info_hash: info_hash.into(), peers });
                }
                Event::Announced { info_hash, stored } => {
                    self.tell_announcer(info_hash, Announced::Announced { info_hash: info_hash.into(), stored });
                }
                Event::Ready => drop(self.ready.send_replace(true)),
                Event::ExternalAddress(ip) => tracing::info!(%ip, "others see this DHT node at another address"),
                Event::OtherFamily(contacts) => {
                    let family = self.nodes.get(node).map(|bound| bound.node.family());
                    for other in self.nodes.iter_mut().filter(|other| Some(other.node.family()) != family) {
                        other.node.handle_contacts(now, &contacts);
                    }
                }
            }
        }
    }

    fn waiting(&mut self, node: usize, lookup: LookupId) -> Option<&mut Waiting> {
        self.searches.get_mut(self.parts.get(&(node, lookup))?)
    }

    /// An announcer that does not read loses what it would have to read: the next announce brings peers again.
    fn tell_announcer(&self, hash: Id, event: Announced) {
        if let Some(announcer) = self.announcers.get(&hash) {
            drop(announcer.try_send(event));
        }
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct Driver {
    shared: Arc<Shared>,
    timer: Pin<Box<Sleep>>,
    buffer: Box<[u8]>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { shared, timer, buffer: vec![0; crate::krpc::MAX_DATAGRAM + 1].into() }
    }

    /// Sends what a node wants to send, until the socket has no room. Whether it had room for all.
    fn send(cx: &mut Context<'_>, bound: &mut Bound) -> bool {
        while let Some(datagram) = bound.stalled.take().or_else(|| bound.node.poll_transmit()) {
            match bound.socket.poll_send(cx, &datagram.payload, datagram.to) {
                Poll::Pending => {
                    bound.stalled = Some(datagram);
                    return false;
                }
                // No route, or a firewall: as if it were lost on the way.
                Poll::Ready(Err(error)) => tracing::trace!(%error, to = %datagram.to, "cannot send"),
                Poll::Ready(Ok(())) => {}
            }
        }
        true
    }

    /// Takes a batch of datagrams. Whether there may be more at once.
    fn receive(cx: &mut Context<'_>, state: &mut State, index: usize, buffer: &mut [u8], now: Instant) -> bool {
        for _ in 0..BATCH {
            let Some(bound) = state.nodes.get_mut(index) else { return false };
            if bound.paused.is_some_and(|until| until > now) || !Self::send(cx, bound) {
                return false;
            }
            let (length, from) = match bound.socket.poll_recv(cx, buffer) {
                Poll::Pending => return false,
                Poll::Ready(Ok(received)) => received,
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "cannot receive");
                    bound.paused = Some(now + PAUSE);
                    return false;
                }
            };
            let datagram = buffer.get(..length).unwrap_or_default();
            // Only what asks for nodes of the other family needs that one's table, so both are at hand by reference.
            let (before, after) = state.nodes.split_at_mut(index);
            if let Some((bound, after)) = after.split_first_mut() {
                let family = bound.node.family();
                let other = before.iter().chain(after.iter()).find(|other| other.node.family() != family);
                bound.node.handle_datagram_beside(now, from, datagram, other.map(|other| &other.node));
            }
            state.dispatch(now, index);
        }
        true
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.shared.lock();
        let now = now();
        if state.closed {
            return Poll::Ready(());
        }
        let mut more = false;
        let mut deadline = None::<Instant>;
        for index in 0..state.nodes.len() {
            if let Some(bound) = state.nodes.get_mut(index)
                && bound.node.poll_timeout().is_some_and(|at| at <= now)
            {
                bound.node.handle_timeout(now);
            }
            state.dispatch(now, index);
            more |= Self::receive(cx, &mut state, index, &mut this.buffer, now);
        }
        for index in 0..state.nodes.len() {
            state.dispatch(now, index);
            let Some(bound) = state.nodes.get_mut(index) else { continue };
            Self::send(cx, bound);
            let at = bound.node.poll_timeout().into_iter().chain(bound.paused.filter(|until| *until > now)).min();
            deadline = deadline.into_iter().chain(at).min();
        }
        state.waker = Some(cx.waker().clone());
        drop(state);
        if more {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(deadline) = deadline {
            this.timer.as_mut().reset(deadline.into());
            if this.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

/// Resolves routers beside the task, until one is found or nodes are there without.
pub(crate) fn bring_routers(shared: &Arc<Shared>, routers: Vec<HostPort>) {
    let known: Option<Vec<SocketAddr>> = routers.iter().map(HostPort::socket_addr).collect();
    if let Some(addresses) = known {
        return shared.act(|state, now| give_routers(state, now, &addresses));
    }
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        loop {
            let mut addresses = Vec::new();
            for router in &routers {
                match tokio::net::lookup_host((router.host(), router.port())).await {
                    Ok(found) => addresses.extend(found),
                    Err(error) => tracing::debug!(%router, %error, "cannot resolve"),
                }
            }
            if !hand_over(&shared, &addresses) || !addresses.is_empty() {
                return;
            }
            tokio::time::sleep(RESOLVE_AGAIN).await;
        }
    });
}

/// Whether the DHT is still there.
fn hand_over(shared: &Weak<Shared>, addresses: &[SocketAddr]) -> bool {
    let Some(shared) = shared.upgrade() else { return false };
    shared.act(|state, now| {
        give_routers(state, now, addresses);
        !state.closed
    })
}

fn give_routers(state: &mut State, now: Instant, addresses: &[SocketAddr]) {
    for bound in &mut state.nodes {
        bound.node.handle_routers(now, addresses.to_vec());
    }
}
