//! One connection (BEP 29), from the SYN or its answer to the last FIN.
//! In: packets that the endpoint has matched to it, time, and what the application writes and reads. Out: packets, signals for the
//! application, the next deadline. Never: addresses of others, randomness, clocks.

mod inbound;
mod outbound;
mod timers;

pub use outbound::Fragmentation;
pub(crate) use outbound::Scratch;

use std::net::SocketAddr;

use crate::{
    clock::{MILLI, Micros},
    config::Config,
    congestion::Controller,
    error::{Fault, StreamError},
    mtu::PathMtu,
    pacer::Pacer,
    packet::{CloseReason, HEADER_LENGTH},
    receive::ReceiveQueue,
    rtt::Rtt,
    send::SendQueue,
    seq::SeqNr,
};

/// A lone packet is acknowledged at the latest after this time.
const ACK_DELAY: Micros = 20 * MILLI;
/// So many packets are acknowledged at once in any case.
const ACK_EVERY: u32 = 2;
/// The first packets are acknowledged at once, so that the peer's slow start does not wait.
const QUICK_ACKS: u32 = 16;
/// Longest datagram that every path carries, without IP and UDP headers: 576 bytes are promised for IPv4 and 1,280 for IPv6.
const FLOOR_V4: u16 = 576 - 28;
const FLOOR_V6: u16 = 1280 - 48;
/// What an IPv6 header is longer than one of IPv4.
const V6_EXTRA: u16 = 20;
/// Bytes that can be written before anything is known about the path.
const MIN_SEND_BUFFER: usize = 128 << 10;

/// What the application should be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signals {
    pub(crate) connected: bool,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent {
        seq: SeqNr,
        sends: u32,
        due: bool,
    },
    Open,
    /// Over. What has arrived in order can still be read.
    Failed(Fault),
}

/// When which packets have to leave.
#[derive(Clone, Copy, Debug, Default)]
struct AckState {
    /// Packets that arrived since the last ack left.
    waiting: u32,
    /// An ack leaves with the next batch.
    due: bool,
    at: Option<Micros>,
    quick: u32,
}

/// Retransmission: one timer, first for a probe of the tail, then for the timeout.
#[derive(Clone, Copy, Debug, Default)]
struct Recovery {
    at: Option<Micros>,
    /// The tail was probed since the last progress.
    probed: bool,
    probe_due: bool,
    backoff: u32,
    failures: u32,
    duplicate_acks: u32,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Ending {
    /// The application has finished its stream.
    wanted: bool,
    /// The FIN has a number.
    numbered: bool,
    /// The peer has the FIN.
    acknowledged: bool,
    /// The application has given the connection up.
    detached: bool,
    /// A RESET has to leave.
    reset_due: bool,
    /// When a detached connection is removed, whatever its state.
    at: Option<Micros>,
    ours: Option<CloseReason>,
    theirs: Option<CloseReason>,
}

/// What a connection has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets sent, without those that only acknowledge.
    pub sent: u64,
    /// Of those, packets that were sent before.
    pub resent: u64,
    /// Packets that were found lost, without probes of the path MTU.
    pub lost: u64,
    /// Timeouts.
    pub timeouts: u64,
    /// Losses and timeouts that turned out to be none.
    pub spurious: u64,
    /// Packets that only acknowledged.
    pub acks: u64,
    /// Packets received with payload.
    pub received: u64,
    /// Of those, packets that had been received before.
    pub duplicates: u64,
    /// Packets that were dropped, as they were outside of the window or acknowledged what was never sent.
    pub dropped: u64,
    /// Payload bytes that may be in flight.
    pub window: u64,
    /// Payload bytes in flight.
    pub in_flight: u64,
    /// The peer's receive window, in bytes.
    pub peer_window: u32,
    /// Our receive window with nothing in it, in bytes.
    pub receive_window: usize,
    /// The smoothed round trip, in microseconds.
    pub rtt: Option<Micros>,
    /// Length of datagrams, in bytes.
    pub datagram: u16,
}

/// The endpoint's clock and settings at a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Micros,
    /// What `timestamp_microseconds` would say now.
    pub(crate) stamp: u32,
    pub(crate) config: &'a Config,
}

#[derive(Debug)]
pub(crate) struct Connection {
    peer: SocketAddr,
    receive_id: u16,
    send_id: u16,
    state: State,
    send: SendQueue,
    receive: ReceiveQueue,
    rtt: Rtt,
    control: Box<dyn Controller>,
    pacer: Pacer,
    /// When the pacer lets the next packet out.
    pace_at: Option<Micros>,
    mtu: PathMtu,
    floor: u16,
    peer_window: u32,
    /// The window that was advertised last, and how much has arrived since in payload bytes.
    advertised: usize,
    /// `timestamp_difference_microseconds` of what we send: measured when a packet arrived.
    reply: u32,
    /// The round trip as timestamps of both ends show it, for who only receives.
    path_rtt: Option<Micros>,
    ranges_sent: Micros,
    ack: AckState,
    recovery: Recovery,
    window_probe_at: Option<Micros>,
    window_probe_due: bool,
    keep_alive_due: bool,
    last_sent: Micros,
    last_data: Micros,
    /// Unused memory was given back since the last data.
    shrunk: bool,
    /// New packets until one is withheld to test the peer's honesty.
    until_withheld: u32,
    ending: Ending,
    wants_read: bool,
    wants_write: bool,
    signals: Signals,
    stats: Stats,
}

impl Connection {
    fn new(cx: &Context<'_>, peer: SocketAddr, receive_id: u16, send_id: u16, first: SeqNr, state: State) -> Self {
        let (floor, ceiling) = if peer.is_ipv4() {
            (FLOOR_V4, cx.config.max_datagram)
        } else {
            (FLOOR_V6, cx.config.max_datagram.saturating_sub(V6_EXTRA))
        };
        let floor = floor.min(ceiling);
        let mtu = PathMtu::new(floor, ceiling);
        Self {
            peer,
            receive_id,
            send_id,
            state,
            send: SendQueue::new(first),
            receive: ReceiveQueue::new(SeqNr(0), cx.config.receive_window, cx.config.max_receive_window),
            rtt: Rtt::default(),
            control: cx.config.new_controller(full_payload(ceiling).into()),
            pacer: Pacer::default(),
            pace_at: None,
            mtu,
            floor,
            peer_window: 0,
            advertised: 0,
            reply: 0,
            path_rtt: None,
            ranges_sent: 0,
            ack: AckState { quick: QUICK_ACKS, ..AckState::default() },
            recovery: Recovery::default(),
            window_probe_at: None,
            window_probe_due: false,
            keep_alive_due: false,
            last_sent: cx.now,
            last_data: cx.now,
            shrunk: true,
            until_withheld: outbound::FIRST_WITHHELD,
            ending: Ending::default(),
            wants_read: true,
            wants_write: false,
            signals: Signals::default(),
            stats: Stats::default(),
        }
    }

    /// A connection that we open. The SYN leaves at the next transmit.
    pub(crate) fn dial(cx: &Context<'_>, peer: SocketAddr, receive_id: u16, seq: SeqNr) -> Self {
        let state = State::SynSent { seq, sends: 0, due: true };
        Self::new(cx, peer, receive_id, receive_id.wrapping_add(1), seq.plus(1), state)
    }

    /// A connection that a peer has opened and confirmed.
    pub(crate) fn accepted(cx: &Context<'_>, peer: SocketAddr, receive_id: u16, next: SeqNr, first: SeqNr) -> Self {
        let mut new = Self::new(cx, peer, receive_id, receive_id.wrapping_sub(1), first, State::Open);
        new.receive = ReceiveQueue::new(next, cx.config.receive_window, cx.config.max_receive_window);
        new
    }

    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) const fn receive_id(&self) -> u16 {
        self.receive_id
    }

    pub(crate) const fn send_id(&self) -> u16 {
        self.send_id
    }

    /// What happened since the last call that the application should know.
    pub(crate) fn take_signals(&mut self) -> Signals {
        std::mem::take(&mut self.signals)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            window: self.control.window(),
            in_flight: self.send.in_flight(),
            peer_window: self.peer_window,
            receive_window: self.receive.capacity(),
            rtt: self.rtt.smoothed(),
            datagram: self.mtu.current(),
            ..self.stats
        }
    }

    /// Why the peer closes, if it has said so.
    pub(crate) const fn close_reason(&self) -> Option<CloseReason> {
        self.ending.theirs
    }

    /// Takes as much of `bytes` as there is room for. Zero: the writable signal will come.
    pub(crate) fn write(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Result<usize, StreamError> {
        if let State::Failed(fault) = self.state {
            return Err(StreamError::Ended(fault));
        }
        if self.ending.wanted {
            return Err(StreamError::Finished);
        }
        let room = self.send_limit(cx).saturating_sub(self.send.buffered());
        let now = bytes.get(..room).unwrap_or(bytes);
        if now.is_empty() && !bytes.is_empty() {
            self.wants_write = true;
            return Ok(0);
        }
        self.touch(cx);
        self.send.write(now);
        Ok(now.len())
    }

    fn send_limit(&self, cx: &Context<'_>) -> usize {
        let window = usize::try_from(self.control.window()).unwrap_or(usize::MAX);
        window.saturating_mul(2).max(MIN_SEND_BUFFER).min(cx.config.max_send_buffer)
    }

    /// Moves what has arrived into `out`. `Ok(None)`: nothing yet, the readable signal will come. `Ok(Some(0))`: the end.
    pub(crate) fn read(&mut self, cx: &Context<'_>, out: &mut [u8]) -> Result<Option<usize>, StreamError> {
        let rtt = self.path_rtt.or(self.rtt.smoothed()).unwrap_or(100 * MILLI);
        let count = self.receive.read(cx.now, rtt, out);
        if count > 0 {
            self.offer_window();
            return Ok(Some(count));
        }
        if self.receive.readable() == 0 {
            if self.receive.ended() {
                return Ok(Some(0));
            }
            if let State::Failed(fault) = self.state {
                return Err(StreamError::Ended(fault));
            }
        }
        self.wants_read = true;
        Ok(None)
    }

    /// A sender that was held up by our window hears when there is room again.
    fn offer_window(&mut self) {
        let (window, capacity) = (self.receive.window(), self.receive.capacity());
        let gained = window.saturating_sub(self.advertised);
        if self.advertised < capacity / 2
            && gained >= capacity / 4
            && self.state == State::Open
            && !self.receive.ended()
        {
            self.ack.due = true;
        }
    }

    /// Nothing more will be written: a FIN follows what was.
    pub(crate) const fn finish(&mut self) {
        self.ending.wanted = true;
    }

    /// The application is done with the connection, which ends in order by itself.
    pub(crate) fn detach(&mut self, cx: &Context<'_>, reason: Option<CloseReason>) {
        self.ending.wanted = true;
        self.ending.detached = true;
        self.ending.ours = reason.or(self.ending.ours);
        let linger = u64::try_from(cx.config.linger.as_micros()).unwrap_or(u64::MAX);
        self.ending.at = Some(cx.now.saturating_add(linger));
        let mut rest = [0; 4096];
        while self.receive.read(cx.now, MILLI, &mut rest) > 0 {}
        self.settle_ending(cx);
    }

    /// Ends at once: a RESET leaves, and nothing else.
    pub(crate) fn abort(&mut self) {
        let told = !matches!(self.state, State::Failed(_) | State::SynSent { .. });
        self.fail(Fault::Aborted);
        self.ending.reset_due = told;
        self.ending.detached = true;
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        self.state = State::Failed(fault);
        self.recovery = Recovery::default();
        self.ack = AckState::default();
        self.pace_at = None;
        self.window_probe_at = None;
        self.ending.at = None;
        self.send = SendQueue::new(self.send.next());
        self.signals.closed = true;
    }

    /// Nothing is left to do, and the application does not look.
    pub(crate) fn is_over(&self, now: Micros) -> bool {
        if !self.ending.detached || self.ending.reset_due {
            return false;
        }
        match self.state {
            State::Failed(_) | State::SynSent { .. } => true,
            State::Open => self.ending.at.is_some_and(|at| now >= at),
        }
    }

    pub(crate) const fn fault(&self) -> Option<Fault> {
        match self.state {
            State::Failed(fault) => Some(fault),
            State::SynSent { .. } | State::Open => None,
        }
    }

    /// A SYN of ours was not answered yet.
    pub(crate) const fn is_dialling(&self) -> bool {
        matches!(self.state, State::SynSent { .. })
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// New data would not have to wait for an ack or for the pacer.
    pub(crate) fn may_send(&self) -> bool {
        let window = self.control.window().min(self.peer_window.into());
        let room = self.send.in_flight().saturating_add(self.full_payload().into()) <= window;
        self.pace_at.is_none() && (room || self.send.packets_in_flight() == 0)
    }

    pub(crate) const fn has_ack_due(&self) -> bool {
        self.ack.due
    }

    /// Everything that was written has been acknowledged.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.send.buffered() == 0 && (!self.ending.wanted || self.ending.acknowledged)
    }

    pub(crate) fn handle_too_long(&mut self, now: Micros, length: u16) {
        self.mtu.refused(now, length);
        // It did not leave, and without filler it will.
        self.recovery.at = Some(now);
    }

    /// The application has given it up.
    pub(crate) const fn is_detached(&self) -> bool {
        self.ending.detached
    }

    /// Once both directions have ended, the connection only stays to repeat its last ack.
    fn settle_ending(&mut self, cx: &Context<'_>) {
        if self.ending.detached && self.ending.acknowledged && self.receive.ended() {
            let quiet = cx.now.saturating_add(self.rtt.timeout(1));
            self.ending.at = Some(self.ending.at.map_or(quiet, |at| at.min(quiet)));
        }
    }

    const fn touch(&mut self, cx: &Context<'_>) {
        self.last_data = cx.now;
        self.shrunk = false;
    }
}

/// Payload of a full packet in a datagram of this length.
#[expect(clippy::cast_possible_truncation, reason = "a header has 20 bytes")]
const fn full_payload(datagram: u16) -> u16 {
    datagram.saturating_sub(HEADER_LENGTH as u16)
}
