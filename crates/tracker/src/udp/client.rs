//! The client of UDP trackers: one machine for any number of trackers and questions, over one socket.
//! Spec: BEP 15 § "UDP connections / spoofing" (connection ids), § "Time outs" (what is lost is sent again).
//! In: questions, datagrams, time. Out: datagrams, answers, the next deadline. Never: names, sockets, clocks.
//!
//! ```text
//! question ─► queue ──(connection open, window free)──► sent ──answer──► event
//!               │                                        │ ▲
//!               └─► connect ──answer──► open for 60 s     └─┘ after 15·2ⁿ s, n ≤ 8; through the queue if the id has expired
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use torrent_types::{InfoHash, compact};

use super::packet::{self, MAX_SCRAPE, Response};
use crate::{
    clock::after,
    error::{DecodeError, Failure, Refused},
    message::{AnnounceRequest, AnnounceResponse, ScrapeEntry},
};

/// Asks UDP trackers.
///
/// Push questions, datagrams and time in; after each push drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), then sleep until [`poll_timeout`](Self::poll_timeout). Time never goes back.
///
/// ```
/// use std::time::Instant;
/// use torrent_tracker::{AnnounceRequest, udp::UdpClient};
///
/// let mut client = UdpClient::new([7; 32]);
/// let now = Instant::now();
/// let tracker = "192.0.2.1:1337".parse()?;
/// client.announce(now, tracker, AnnounceRequest::new([1; 20].into(), [2; 20].into(), 6881), "/announce")?;
///
/// let first = client.poll_transmit().expect("a connection id has to be asked for");
/// assert_eq!((first.to, first.payload.len()), (tracker, 16));
/// assert_eq!(client.poll_timeout(), Some(now + std::time::Duration::from_secs(15)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UdpClient {
    rng: StdRng,
    next_request: u64,
    requests: BTreeMap<RequestId, Question>,
    trackers: BTreeMap<SocketAddr, Tracker>,
    /// Who waits for which transaction. Ids are random, so a flood of forged answers finds nothing here.
    transactions: HashMap<u32, Timer>,
    timers: BTreeSet<(Instant, Timer)>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<UdpEvent>,
}

/// Names a question until its event arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmit {
    /// The tracker.
    pub to: SocketAddr,
    /// What to send.
    pub payload: Vec<u8>,
}

/// A question is settled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UdpEvent {
    /// Which.
    pub id: RequestId,
    /// How.
    pub outcome: Result<Answer, UdpError>,
}

/// What a tracker answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To an announce.
    Announce(AnnounceResponse),
    /// To a scrape, in the order asked. A tracker that leaves some out gives a shorter list.
    Scrape(Vec<ScrapeEntry>),
}

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The answer makes no sense.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An error packet. BEP 15 § "Errors".
    #[error(transparent)]
    Failure(#[from] Failure),
    /// All repetitions are used up: more than two hours have passed.
    #[error("the tracker did not answer")]
    TimedOut,
}

struct Question {
    to: SocketAddr,
    kind: Kind,
    /// The n of 15·2ⁿ.
    attempt: u32,
    sent: Option<Sent>,
    /// The tracker refused an old connection id once already.
    renewed: bool,
}

enum Kind {
    Announce { request: Box<AnnounceRequest>, url_data: Box<str> },
    Scrape(Box<[InfoHash]>),
}

#[derive(Clone, Copy)]
struct Sent {
    transaction: u32,
    connection: u64,
    deadline: Instant,
}

#[derive(Default)]
struct Tracker {
    connection: Connection,
    /// Waiting for a connection id or for room in the window.
    queue: VecDeque<RequestId>,
    in_flight: usize,
}

#[derive(Clone, Copy, Default)]
enum Connection {
    #[default]
    Closed,
    Opening {
        transaction: u32,
        attempt: u32,
        sent: Instant,
        deadline: Instant,
    },
    Open {
        id: u64,
        until: Instant,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Connect(SocketAddr),
    Request(RequestId),
}

impl UdpClient {
    /// A client without any tracker. The seed decides all transaction ids: give it 32 bytes from the operating system.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            rng: StdRng::from_seed(seed),
            next_request: 0,
            requests: BTreeMap::new(),
            trackers: BTreeMap::new(),
            transactions: HashMap::new(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Announces to `tracker`. `url_data` is path and query of its URL (BEP 41), or nothing.
    ///
    /// # Errors
    /// [`Refused::Busy`] if [`MAX_QUESTIONS`] are open.
    pub fn announce(
        &mut self,
        now: Instant,
        tracker: SocketAddr,
        request: AnnounceRequest,
        url_data: &str,
    ) -> Result<RequestId, Refused> {
        self.ask(now, tracker, Kind::Announce { request: Box::new(request), url_data: url_data.into() })
    }

    /// Asks `tracker` for the counts of at most [`MAX_SCRAPE`] torrents; more are cut off.
    ///
    /// # Errors
    /// [`Refused::Busy`] if [`MAX_QUESTIONS`] are open.
    pub fn scrape(
        &mut self,
        now: Instant,
        tracker: SocketAddr,
        info_hashes: &[InfoHash],
    ) -> Result<RequestId, Refused> {
        let info_hashes = info_hashes.get(..MAX_SCRAPE).unwrap_or(info_hashes);
        self.ask(now, tracker, Kind::Scrape(info_hashes.into()))
    }

    /// Forgets a question. There will be no event about it.
    pub fn cancel(&mut self, now: Instant, id: RequestId) {
        self.close(now, id, None);
    }

    /// Takes in a datagram. What nobody asked for, or what comes from elsewhere than it was asked of, is ignored.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some((transaction, response)) = peek(datagram) else { return };
        match self.transactions.get(&transaction) {
            Some(&Timer::Connect(tracker)) if tracker == from => self.handle_connect(now, from, response),
            Some(&Timer::Request(id)) if self.requests.get(&id).is_some_and(|question| question.to == from) => {
                self.handle_answer(now, id, response);
            }
            _ => {}
        }
    }

    /// Sends again what is overdue.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(deadline, timer)) = self.timers.first()
            && deadline <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Connect(tracker) => self.handle_connect_timeout(now, tracker),
                Timer::Request(id) => self.handle_request_timeout(now, id),
            }
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next question that is settled.
    pub fn poll_event(&mut self) -> Option<UdpEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|&(deadline, _)| deadline)
    }

    /// Are there no open questions?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    fn ask(&mut self, now: Instant, to: SocketAddr, kind: Kind) -> Result<RequestId, Refused> {
        if self.requests.len() >= MAX_QUESTIONS {
            return Err(Refused::Busy);
        }
        self.forget_expired(now);
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        self.requests.insert(id, Question { to, kind, attempt: 0, sent: None, renewed: false });
        self.trackers.entry(to).or_default().queue.push_back(id);
        self.advance(now, to);
        Ok(id)
    }

    /// Sends from a tracker's queue what may be sent, or asks for a connection id first.
    fn advance(&mut self, now: Instant, to: SocketAddr) {
        while let Some(tracker) = self.trackers.get_mut(&to)
            && let Some(&id) = tracker.queue.front()
        {
            match tracker.connection {
                Connection::Open { id: connection, until } if now < until => {
                    if tracker.in_flight >= WINDOW {
                        break;
                    }
                    tracker.queue.pop_front();
                    tracker.in_flight = tracker.in_flight.saturating_add(1);
                    let transaction = self.new_transaction(Timer::Request(id));
                    self.send(now, id, transaction, connection);
                }
                // Somebody fresh has come while long silences are being sat out: ask now.
                Connection::Opening { transaction, attempt, sent, deadline }
                    if attempt > 0
                        && now.saturating_duration_since(sent) >= TIMEOUT
                        && self.requests.get(&id).is_some_and(|question| question.attempt == 0) =>
                {
                    self.timers.remove(&(deadline, Timer::Connect(to)));
                    self.transactions.remove(&transaction);
                    self.connect(now, to, 0);
                    break;
                }
                Connection::Opening { .. } => break,
                Connection::Open { .. } | Connection::Closed => {
                    let attempt = self.requests.get(&id).map_or(0, |question| question.attempt);
                    self.connect(now, to, attempt);
                    break;
                }
            }
        }
    }

    fn connect(&mut self, now: Instant, to: SocketAddr, attempt: u32) {
        let transaction = self.new_transaction(Timer::Connect(to));
        let deadline = after(now, timeout(attempt));
        if let Some(tracker) = self.trackers.get_mut(&to) {
            tracker.connection = Connection::Opening { transaction, attempt, sent: now, deadline };
        }
        self.timers.insert((deadline, Timer::Connect(to)));
        self.transmits.push_back(Transmit { to, payload: packet::encode_connect(transaction) });
    }

    fn send(&mut self, now: Instant, id: RequestId, transaction: u32, connection: u64) {
        let Some(question) = self.requests.get_mut(&id) else { return };
        let deadline = after(now, timeout(question.attempt));
        question.sent = Some(Sent { transaction, connection, deadline });
        let payload = match &question.kind {
            Kind::Announce { request, url_data } => packet::encode_announce(connection, transaction, request, url_data),
            Kind::Scrape(info_hashes) => packet::encode_scrape(connection, transaction, info_hashes),
        };
        self.timers.insert((deadline, Timer::Request(id)));
        self.transmits.push_back(Transmit { to: question.to, payload });
    }

    fn handle_connect(&mut self, now: Instant, from: SocketAddr, response: Result<Response<'_>, DecodeError>) {
        let Some(tracker) = self.trackers.get_mut(&from) else { return };
        let Connection::Opening { transaction, deadline, .. } = tracker.connection else { return };
        let error = match response {
            Ok(Response::Connect(id)) => {
                tracker.connection = Connection::Open { id, until: after(now, CONNECTION_LIFETIME) };
                None
            }
            Ok(Response::Error(reason)) => Some(UdpError::Failure(Failure::new(reason, None))),
            // Neither an id nor a refusal: as if it had been lost.
            Ok(_) | Err(_) => return,
        };
        self.timers.remove(&(deadline, Timer::Connect(from)));
        self.transactions.remove(&transaction);
        match error {
            None => self.advance(now, from),
            Some(error) => self.fail_queue(from, &error),
        }
    }

    fn handle_answer(&mut self, now: Instant, id: RequestId, response: Result<Response<'_>, DecodeError>) {
        let Some(question) = self.requests.get_mut(&id) else { return };
        let outcome = match (response, &question.kind) {
            (Err(error), _) => Err(error.into()),
            (Ok(Response::Error(reason)), _) => {
                if self.renew(now, id) {
                    return;
                }
                Err(UdpError::Failure(Failure::new(reason, None)))
            }
            (Ok(Response::Announce { interval, leechers, seeders, peers }), Kind::Announce { .. }) => {
                Ok(Answer::Announce(AnnounceResponse {
                    interval: Duration::from_secs(interval.into()),
                    peers: decode_peers(question.to, peers),
                    seeders: Some(seeders),
                    leechers: Some(leechers),
                    ..AnnounceResponse::default()
                }))
            }
            (Ok(Response::Scrape(entries)), Kind::Scrape(info_hashes)) => {
                Ok(Answer::Scrape(entries.iter().take(info_hashes.len()).map(Response::scrape_entry).collect()))
            }
            (Ok(other), _) => Err(DecodeError::UnexpectedAction(other.action()).into()),
        };
        self.close(now, id, Some(outcome));
    }

    /// An error may mean that the tracker forgot our id (it was restarted). If the id was not fresh, ask once more with a new one.
    fn renew(&mut self, now: Instant, id: RequestId) -> bool {
        let Some(question) = self.requests.get_mut(&id) else { return false };
        let (Some(sent), Some(tracker)) = (question.sent, self.trackers.get_mut(&question.to)) else { return false };
        let Connection::Open { id: connection, until } = tracker.connection else { return false };
        let age = after(now, CONNECTION_LIFETIME).saturating_duration_since(until);
        if question.renewed || connection != sent.connection || age < FRESH {
            return false;
        }
        question.renewed = true;
        question.sent = None;
        tracker.connection = Connection::Closed;
        tracker.in_flight = tracker.in_flight.saturating_sub(1);
        tracker.queue.push_front(id);
        let to = question.to;
        self.transactions.remove(&sent.transaction);
        self.timers.remove(&(sent.deadline, Timer::Request(id)));
        self.advance(now, to);
        true
    }

    /// BEP 15 § "Time outs": the n-th silence lasts 15·2ⁿ seconds.
    fn handle_connect_timeout(&mut self, now: Instant, to: SocketAddr) {
        let Some(tracker) = self.trackers.get_mut(&to) else { return };
        let Connection::Opening { transaction, attempt, .. } = tracker.connection else { return };
        self.transactions.remove(&transaction);
        tracker.connection = Connection::Closed;
        if tracker.queue.is_empty() {
            return;
        }
        if attempt >= MAX_ATTEMPT {
            self.fail_queue(to, &UdpError::TimedOut);
        } else {
            self.connect(now, to, attempt.saturating_add(1));
        }
    }

    fn handle_request_timeout(&mut self, now: Instant, id: RequestId) {
        let Some(question) = self.requests.get_mut(&id) else { return };
        let Some(sent) = question.sent.take() else { return };
        if question.attempt >= MAX_ATTEMPT {
            question.sent = Some(sent);
            self.close(now, id, Some(Err(UdpError::TimedOut)));
            return;
        }
        question.attempt = question.attempt.saturating_add(1);
        let to = question.to;
        let Some(tracker) = self.trackers.get_mut(&to) else { return };
        match tracker.connection {
            Connection::Open { id: connection, until } if now < until => {
                self.send(now, id, sent.transaction, connection);
            }
            // § "Time outs": it is necessary to ask for a connection id again when it has expired.
            _ => {
                tracker.in_flight = tracker.in_flight.saturating_sub(1);
                tracker.queue.push_front(id);
                self.transactions.remove(&sent.transaction);
                self.advance(now, to);
            }
        }
    }

    fn fail_queue(&mut self, to: SocketAddr, error: &UdpError) {
        let Some(tracker) = self.trackers.get_mut(&to) else { return };
        tracker.connection = Connection::Closed;
        for id in std::mem::take(&mut tracker.queue) {
            self.requests.remove(&id);
            self.events.push_back(UdpEvent { id, outcome: Err(error.clone()) });
        }
    }

    fn close(&mut self, now: Instant, id: RequestId, outcome: Option<Result<Answer, UdpError>>) {
        let Some(question) = self.requests.remove(&id) else { return };
        if let Some(tracker) = self.trackers.get_mut(&question.to) {
            match question.sent {
                Some(_) => tracker.in_flight = tracker.in_flight.saturating_sub(1),
                None => tracker.queue.retain(|&waiting| waiting != id),
            }
        }
        if let Some(sent) = question.sent {
            self.transactions.remove(&sent.transaction);
            self.timers.remove(&(sent.deadline, Timer::Request(id)));
        }
        if let Some(outcome) = outcome {
            self.events.push_back(UdpEvent { id, outcome });
        }
        self.advance(now, question.to);
    }

    /// Trackers with nothing to do and no valid connection id need no memory.
    fn forget_expired(&mut self, now: Instant) {
        if self.trackers.len() < MANY_TRACKERS {
            return;
        }
        self.trackers.retain(|_, tracker| {
            let useful = match tracker.connection {
                Connection::Closed => false,
                Connection::Opening { .. } => true,
                Connection::Open { until, .. } => now < until,
            };
            useful || tracker.in_flight > 0 || !tracker.queue.is_empty()
        });
    }

    fn new_transaction(&mut self, owner: Timer) -> u32 {
        loop {
            let id = self.rng.next_u32();
            if let std::collections::hash_map::Entry::Vacant(free) = self.transactions.entry(id) {
                free.insert(owner);
                return id;
            }
        }
    }
}

impl fmt::Debug for UdpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpClient")
            .field("questions", &self.requests.len())
            .field("trackers", &self.trackers.len())
            .finish_non_exhaustive()
    }
}

/// The transaction, even where the rest cannot be read.
fn peek(datagram: &[u8]) -> Option<(u32, Result<Response<'_>, DecodeError>)> {
    match packet::decode_response(datagram) {
        Ok((transaction, response)) => Some((transaction, Ok(response))),
        Err(error) => {
            let transaction = datagram.get(4..)?.first_chunk()?;
            Some((u32::from_be_bytes(*transaction), Err(error)))
        }
    }
}

/// BEP 15 § "IPv6": the family of the datagram decides the size of an entry.
fn decode_peers(from: SocketAddr, peers: &[u8]) -> Vec<SocketAddr> {
    if from.ip().to_canonical().is_ipv4() {
        compact::decode_v4(peers).map(SocketAddr::V4).collect()
    } else {
        compact::decode_v6(peers).map(SocketAddr::V6).collect()
    }
}

fn timeout(attempt: u32) -> Duration {
    TIMEOUT.saturating_mul(1 << attempt.min(MAX_ATTEMPT))
}

/// Most questions open at a time.
pub const MAX_QUESTIONS: usize = 1 << 16;

/// BEP 15 § "Time outs".
const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_ATTEMPT: u32 = 8;

/// BEP 15 § "UDP connections / spoofing".
const CONNECTION_LIFETIME: Duration = Duration::from_secs(60);

/// A connection id younger than this is not the reason for an error.
const FRESH: Duration = Duration::from_secs(5);

/// Datagrams on their way to one tracker: 10,000 torrents do not burst.
const WINDOW: usize = 64;

/// From here on, trackers that are done with are looked for and dropped.
const MANY_TRACKERS: usize = 256;
