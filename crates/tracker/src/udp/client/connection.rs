//! One tracker's connection id: asked for, kept for a minute, asked for again; and which questions may be sent under it.
//! Spec: BEP 15 § "UDP connections / spoofing", § "Time outs".

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_types::{Datagram, time::after};

use super::{MAX_ATTEMPT, RequestId, TIMEOUT, Timer, UdpClient, timeout};
use crate::{
    error::{DecodeError, Failure},
    udp::{
        event::{UdpError, UdpEvent},
        packet::{self, Response},
    },
};

#[derive(Default)]
pub(super) struct Tracker {
    connection: Connection,
    /// Waiting for a connection id or for room in the window.
    pub(super) queue: VecDeque<RequestId>,
    pub(super) in_flight: usize,
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

impl Tracker {
    /// The connection id, if there is one that may be used.
    pub(super) fn id(&self, now: Instant) -> Option<u64> {
        match self.connection {
            Connection::Open { id, until } if now < until => Some(id),
            _ => None,
        }
    }
}

impl UdpClient {
    /// Sends from a tracker's queue what may be sent, or asks for a connection id first.
    pub(super) fn advance(&mut self, now: Instant, to: SocketAddr) {
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
                // A new question has come in the middle of a long pause between repetitions: ask now.
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
        self.transmits.push_back(Datagram::new(to, packet::encode_connect(transaction)));
    }

    pub(super) fn handle_connect(
        &mut self,
        now: Instant,
        from: SocketAddr,
        response: Result<Response<'_>, DecodeError>,
    ) {
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

    /// BEP 15 § "Time outs": the n-th silence lasts 15·2ⁿ seconds.
    pub(super) fn handle_connect_timeout(&mut self, now: Instant, to: SocketAddr) {
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

    /// An error may mean that the tracker forgot our id (it was restarted). If the id was not fresh, ask once more with a new one.
    pub(super) fn renew(&mut self, now: Instant, id: RequestId) -> bool {
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

    fn fail_queue(&mut self, to: SocketAddr, error: &UdpError) {
        let Some(tracker) = self.trackers.get_mut(&to) else { return };
        tracker.connection = Connection::Closed;
        for id in std::mem::take(&mut tracker.queue) {
            self.requests.remove(&id);
            self.events.push_back(UdpEvent { id, outcome: Err(error.clone()) });
        }
    }

    /// Trackers with nothing to do and no valid connection id need no memory.
    pub(super) fn forget_expired(&mut self, now: Instant) {
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
}

/// BEP 15 § "UDP connections / spoofing".
const CONNECTION_LIFETIME: Duration = Duration::from_secs(60);

/// A connection id younger than this is not the reason for an error.
const FRESH: Duration = Duration::from_secs(5);

/// Datagrams on their way to one tracker: 10,000 torrents do not burst.
const WINDOW: usize = 64;

/// From here on, trackers that are done with are looked for and dropped.
const MANY_TRACKERS: usize = 256;
