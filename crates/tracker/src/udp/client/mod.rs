//! The client of UDP trackers: one machine for any number of trackers and questions, over one socket.
//! Spec: BEP 15 § "UDP connections / spoofing" (connection ids), § "Time outs" (what is lost is sent again).
//! In: questions, datagrams, time. Out: datagrams, answers, the next deadline. Never: names, sockets, clocks.
//!
//! ```text
//! question ─► queue ──(connection open, window free)──► sent ──answer──► event
//!               │                                        │ ▲
//!               └─► connect ──answer──► open for 60 s     └─┘ after 15·2ⁿ s, n ≤ 8; through the queue if the id has expired
//! ```

mod connection;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use torrent_types::{Datagram, InfoHash, Scope, compact, time::after};

use self::connection::Tracker;
use super::{
    event::{Answer, RequestId, UdpError, UdpEvent},
    packet::{self, MAX_SCRAPE, Response},
};
use crate::{
    error::{DecodeError, Failure, Refused},
    message::{AnnounceRequest, AnnounceResponse},
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
    /// What waits for each transaction. Ids are random, so a flood of forged answers finds nothing here.
    transactions: HashMap<u32, Timer>,
    timers: BTreeSet<(Instant, Timer)>,
    transmits: VecDeque<Datagram>,
    events: VecDeque<UdpEvent>,
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

    /// A datagram has come. An answer to no question, or from another address than the question went to, is ignored.
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
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
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

    /// Whether no question is open.
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

    fn send(&mut self, now: Instant, id: RequestId, transaction: u32, connection: u64) {
        let Some(question) = self.requests.get_mut(&id) else { return };
        let deadline = after(now, timeout(question.attempt));
        question.sent = Some(Sent { transaction, connection, deadline });
        let payload = match &question.kind {
            Kind::Announce { request, url_data } => packet::encode_announce(connection, transaction, request, url_data),
            Kind::Scrape(info_hashes) => packet::encode_scrape(connection, transaction, info_hashes),
        };
        self.timers.insert((deadline, Timer::Request(id)));
        self.transmits.push_back(Datagram::new(question.to, payload));
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
                    scope: Scope::of(question.to.ip()),
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
        match tracker.id(now) {
            Some(connection) => {
                self.send(now, id, sent.transaction, connection);
            }
            // § "Time outs": it is necessary to ask for a connection id again when it has expired.
            None => {
                tracker.in_flight = tracker.in_flight.saturating_sub(1);
                tracker.queue.push_front(id);
                self.transactions.remove(&sent.transaction);
                self.advance(now, to);
            }
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
