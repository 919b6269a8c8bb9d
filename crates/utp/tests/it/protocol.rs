//! Packet by packet: what an endpoint answers to what, and what it does not.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_utp::{CloseReason, Config, Endpoint, Event, Fault, Header, Key, Kind, Packet, Read, SelectiveAck, SeqNr};

use crate::net::address;

/// An endpoint, and the test in the place of its peer.
struct Bench {
    endpoint: Endpoint,
    now: Instant,
    peer: SocketAddr,
    events: VecDeque<Event>,
}

/// A packet that the endpoint has sent.
#[derive(Clone, Debug)]
struct Sent {
    to: SocketAddr,
    header: Header,
    length: usize,
    payload: Vec<u8>,
    sack: Vec<u16>,
    reason: Option<CloseReason>,
}

fn header(kind: Kind, id: u16, seq: u16, ack: u16) -> Header {
    Header {
        kind,
        connection_id: id,
        timestamp: 5,
        timestamp_difference: 1000,
        window: 1 << 20,
        seq: SeqNr(seq),
        ack: SeqNr(ack),
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = torrent_sim::start();
        Self { endpoint: Endpoint::new(now, [3; 32], config), now, peer: address(9), events: VecDeque::new() }
    }

    fn put(&mut self, header: Header, payload: &[u8]) {
        self.put_from(self.peer, header, None, payload);
    }

    fn put_from(&mut self, from: SocketAddr, header: Header, sack: Option<&[u8]>, payload: &[u8]) {
        let mut datagram = Vec::new();
        Packet::encode(&header, sack.map(SelectiveAck::new), None, payload, &mut datagram);
        self.endpoint.handle_datagram(self.now, from, &datagram);
    }

    fn sent(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut buffer = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit(self.now, 64, &mut buffer) {
            for datagram in buffer.chunks(transmit.segment) {
                let packet = Packet::decode(datagram).unwrap();
                all.push(Sent {
                    to: transmit.to,
                    header: packet.header,
                    length: datagram.len(),
                    payload: packet.payload.to_vec(),
                    sack: packet.selective_ack.map(|sack| sack.received().collect()).unwrap_or_default(),
                    reason: packet.close_reason,
                });
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push_back(event);
        }
        all
    }

    /// Lets time pass, and returns what was sent in it.
    fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut all = self.sent();
        while let Some(at) = self.endpoint.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.endpoint.handle_timeout(at);
            all.extend(self.sent());
        }
        self.now = end;
        all
    }

    /// A connection that the peer has opened with SYN number 100 and id 7, and whose confirmation was data number 101.
    fn accepted(&mut self) -> (Key, Sent) {
        self.put(header(Kind::Syn, 7, 100, 0), &[]);
        let answer = self.sent().remove(0);
        let mut first = header(Kind::Data, 8, 101, answer.header.seq.0.wrapping_sub(1));
        first.window = 1 << 20;
        self.put(first, b"hello");
        self.sent();
        let Some(Event::Incoming { key, .. }) = self.events.pop_front() else { panic!("no connection") };
        (key, answer)
    }

    /// A connection that we have opened. The peer's first packet will be number 500.
    fn dialled(&mut self) -> (Key, Sent) {
        let key = self.endpoint.connect(self.now, self.peer).unwrap();
        let syn = self.sent().remove(0);
        self.put(header(Kind::State, syn.header.connection_id, 500, syn.header.seq.0), &[]);
        self.sent();
        assert_eq!(self.events.pop_front(), Some(Event::Connected(key)));
        (key, syn)
    }
}

#[test]
fn a_syn_is_sent_again_and_given_up() {
    let mut bench = Bench::new();
    let key = bench.endpoint.connect(bench.now, bench.peer).unwrap();
    let syns = bench.wait(Duration::from_secs(60));
    assert_eq!(syns.len(), 4);
    assert!(
        syns.iter().all(|syn| syn.header.kind == Kind::Syn && syn.header.seq == syns[0].header.seq && syn.length == 20)
    );
    assert_eq!(bench.events.pop_front(), Some(Event::Closed(key, Fault::TimedOut)));
}

#[test]
fn the_caller_confirms_the_answer_to_its_syn() {
    let mut bench = Bench::new();
    let key = bench.endpoint.connect(bench.now, bench.peer).unwrap();
    let syn = bench.sent().remove(0);
    bench.put(header(Kind::State, syn.header.connection_id, 500, syn.header.seq.0), &[]);
    let confirmation = bench.sent().remove(0);
    assert_eq!(confirmation.header.kind, Kind::State);
    assert_eq!(confirmation.header.connection_id, syn.header.connection_id.wrapping_add(1));
    assert_eq!((confirmation.header.ack, confirmation.header.seq), (SeqNr(499), syn.header.seq.plus(1)));
    assert_eq!(bench.endpoint.connected(key), Ok(true));
}

#[test]
fn an_answer_with_a_wrong_number_is_ignored() {
    let mut bench = Bench::new();
    let key = bench.endpoint.connect(bench.now, bench.peer).unwrap();
    let syn = bench.sent().remove(0);
    bench.put(header(Kind::State, syn.header.connection_id, 500, syn.header.seq.0 ^ 1), &[]);
    bench.put(header(Kind::Reset, syn.header.connection_id, 500, syn.header.seq.0 ^ 1), &[]);
    assert_eq!(bench.endpoint.connected(key), Ok(false));
    bench.put(header(Kind::Reset, syn.header.connection_id, 500, syn.header.seq.0), &[]);
    assert!(bench.endpoint.connected(key).is_err());
}

#[test]
fn a_stranger_gets_no_more_bytes_than_it_has_sent() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.put(header(Kind::Syn, 7, 100, 0), &[]);
    }
    let answers = bench.sent();
    assert_eq!(answers.len(), 10);
    assert!(answers.iter().all(|answer| answer.length == 20 && answer.header.seq == answers[0].header.seq));
    assert!(bench.wait(Duration::from_secs(120)).is_empty(), "nothing is sent again by itself");
    assert!(bench.events.is_empty());
}

#[test]
fn packets_for_no_connection_get_no_answer() {
    let mut bench = Bench::new();
    for kind in [Kind::Data, Kind::Fin, Kind::State, Kind::Reset] {
        bench.put(header(kind, 7, 1, 1), b"x");
    }
    bench.endpoint.handle_datagram(bench.now, bench.peer, b"d1:ad2:id20:");
    assert!(bench.sent().is_empty());
    assert_eq!(bench.endpoint.endpoint_stats().stray, 5);
}

#[test]
fn a_confirmation_has_to_name_the_number_of_our_answer() {
    let mut bench = Bench::new();
    bench.put(header(Kind::Syn, 7, 100, 0), &[]);
    let answer = bench.sent().remove(0);
    for wrong in 2..2000 {
        bench.put(header(Kind::Data, 8, 101, answer.header.seq.0.wrapping_add(wrong)), b"x");
    }
    assert!(bench.sent().is_empty() && bench.events.is_empty());
    bench.put(header(Kind::Data, 8, 101, answer.header.seq.0.wrapping_sub(1)), b"x");
    bench.sent();
    assert!(matches!(bench.events.pop_front(), Some(Event::Incoming { .. })));
}

#[test]
fn a_peer_that_counts_the_answer_as_a_packet_is_understood() {
    let mut bench = Bench::new();
    bench.put(header(Kind::Syn, 7, 100, 0), &[]);
    let answer = bench.sent().remove(0);
    bench.put(header(Kind::Data, 8, 101, answer.header.seq.0), b"x");
    bench.sent();
    let Some(Event::Incoming { key, .. }) = bench.events.pop_front() else { panic!() };
    bench.endpoint.write(bench.now, key, b"y").unwrap();
    assert_eq!(bench.sent()[0].header.seq, answer.header.seq.plus(1));
}

#[test]
fn a_flood_of_syns_costs_bounded_memory_and_the_oldest_go() {
    let mut bench = Bench::with(Config::default());
    let mut answers = Vec::new();
    for n in 0..20_000_u16 {
        bench.put_from(address(n), header(Kind::Syn, 7, 100, 0), None, &[]);
        answers.extend(bench.sent());
    }
    let stats = bench.endpoint.endpoint_stats();
    assert_eq!((stats.half_open, stats.connections), (1024, 0));
    let last = answers.pop().unwrap();
    bench.put_from(last.to, header(Kind::Data, 8, 101, last.header.seq.0.wrapping_sub(1)), None, b"x");
    bench.sent();
    assert!(matches!(bench.events.pop_front(), Some(Event::Incoming { .. })), "an honest peer still comes in");
}

#[test]
fn connections_and_the_backlog_have_limits() {
    let mut config = Config::default();
    config.backlog = 2;
    config.max_connections = 3;
    let mut bench = Bench::with(config);
    let mut keys = Vec::new();
    for n in 0..5_u16 {
        bench.put_from(address(n), header(Kind::Syn, 7, 100, 0), None, &[]);
        for answer in bench.sent() {
            bench.put_from(answer.to, header(Kind::Data, 8, 101, answer.header.seq.0.wrapping_sub(1)), None, b"x");
        }
        bench.sent();
        while let Some(event) = bench.events.pop_front() {
            if let Event::Incoming { key, .. } = event {
                keys.push(key);
            }
        }
    }
    assert_eq!(keys.len(), 2, "the application has accepted none");
    bench.endpoint.accept(keys[0]);
    assert!(bench.endpoint.connect(bench.now, address(77)).is_ok());
    assert!(bench.endpoint.connect(bench.now, address(78)).is_err());
}

#[test]
fn a_syn_that_comes_again_is_answered_and_opens_nothing_new() {
    let mut bench = Bench::new();
    bench.accepted();
    bench.put(header(Kind::Syn, 7, 100, 0), &[]);
    let again = bench.sent();
    assert_eq!((again.len(), again[0].header.kind, again[0].header.ack), (1, Kind::State, SeqNr(101)));
    assert!(bench.events.iter().all(|event| !matches!(event, Event::Incoming { .. })));
}

#[test]
fn missing_packets_are_named_in_a_selective_ack_of_any_length() {
    let mut bench = Bench::new();
    let (_, answer) = bench.accepted();
    let ack = answer.header.seq.0.wrapping_sub(1);
    for n in [104, 106, 150, 340] {
        bench.put(header(Kind::Data, 8, n, ack), b"x");
    }
    let acks = bench.sent();
    assert_eq!(acks.last().unwrap().header.ack, SeqNr(101));
    assert_eq!(acks.last().unwrap().sack, [104 - 103, 106 - 103, 150 - 103, 340 - 103]);
}

#[test]
fn the_delay_is_that_of_arrival_however_late_the_ack() {
    let mut bench = Bench::new();
    let (_, answer) = bench.accepted();
    let ack = answer.header.seq.0.wrapping_sub(1);
    // Past the packets that are acknowledged at once.
    for n in 102..130 {
        bench.put(header(Kind::Data, 8, n, ack), b"x");
        bench.sent();
    }
    bench.put(header(Kind::Data, 8, 130, ack), b"x");
    let at_once = bench.sent();
    let late = if at_once.is_empty() { bench.wait(Duration::from_millis(100)) } else { at_once };
    bench.put(header(Kind::Data, 8, 131, ack), b"x");
    let first = bench.sent();
    let late = if first.is_empty() { bench.wait(Duration::from_millis(100)) } else { late };
    assert_eq!(late.len(), 1, "one ack, at the latest after 20 ms");
    let sent_at = late[0].header.timestamp;
    let held = sent_at.wrapping_sub(5).wrapping_sub(late[0].header.timestamp_difference);
    assert!(held >= 19_000, "the ack waited {held} µs, and that is not part of the delay");
}

#[test]
fn three_acks_beyond_a_packet_send_it_again() {
    let mut bench = Bench::new();
    let (key, syn) = bench.dialled();
    let id = syn.header.connection_id;
    bench.wait(Duration::from_millis(50));
    bench.endpoint.write(bench.now, key, &[1; 4000]).unwrap();
    let data = bench.wait(Duration::from_millis(400));
    let first = data[0].header.seq;
    assert!(data.len() >= 4, "{}", data.len());
    bench.put_from(bench.peer, header(Kind::State, id, 500, first.0.wrapping_sub(1)), Some(&[0b111, 0, 0, 0]), &[]);
    let again = bench.wait(Duration::from_millis(100));
    assert!(again.iter().any(|sent| sent.header.seq == first && sent.payload == data[0].payload));
}

#[test]
fn silence_sends_again_backs_off_and_ends() {
    let mut bench = Bench::new();
    let (key, _) = bench.dialled();
    bench.endpoint.write(bench.now, key, b"hello").unwrap();
    let mut sends = bench.wait(Duration::from_secs(300));
    sends.retain(|sent| sent.header.kind == Kind::Data);
    assert!((6..=9).contains(&sends.len()), "{}", sends.len());
    assert!(sends.iter().all(|sent| sent.payload == b"hello"));
    assert_eq!(bench.events.pop_back(), Some(Event::Closed(key, Fault::TimedOut)));
}

#[test]
fn an_ack_for_what_was_never_sent_is_dropped() {
    let mut bench = Bench::new();
    let (key, syn) = bench.dialled();
    let id = syn.header.connection_id;
    bench.put(header(Kind::Data, id, 500, syn.header.seq.0.wrapping_add(9)), b"forged");
    bench.sent();
    assert_eq!(bench.endpoint.stats(key).unwrap().dropped, 1);
    let mut out = [0; 10];
    assert_eq!(bench.endpoint.read(bench.now, key, &mut out), Ok(Read::Pending));
}

#[test]
fn a_reset_has_to_name_a_packet_of_late() {
    let mut bench = Bench::new();
    let (key, syn) = bench.dialled();
    let next = syn.header.seq.0.wrapping_add(1);
    bench.put(header(Kind::Reset, syn.header.connection_id, 1, next.wrapping_sub(500)), &[]);
    bench.sent();
    assert_eq!(bench.endpoint.connected(key), Ok(true));
    bench.put(header(Kind::Reset, syn.header.connection_id.wrapping_add(1), 1, next.wrapping_sub(1)), &[]);
    assert!(bench.sent().is_empty(), "a RESET is not answered");
    assert_eq!(bench.events.pop_back(), Some(Event::Closed(key, Fault::Reset)));
}

#[test]
fn both_directions_end_on_their_own() {
    let mut bench = Bench::new();
    let (key, answer) = bench.accepted();
    let ack = answer.header.seq.0.wrapping_sub(1);
    bench.put(header(Kind::Fin, 8, 102, ack), &[]);
    assert_eq!(bench.sent()[0].header.ack, SeqNr(102));
    let mut out = [0; 10];
    assert_eq!(bench.endpoint.read(bench.now, key, &mut out), Ok(Read::Bytes(5)));
    assert_eq!(bench.endpoint.read(bench.now, key, &mut out), Ok(Read::End));
    // We can still speak.
    bench.endpoint.write(bench.now, key, b"answer").unwrap();
    let data = bench.sent();
    assert_eq!(data[0].payload, b"answer");
    bench.put(header(Kind::State, 8, 103, data[0].header.seq.0), &[]);
    bench.endpoint.finish(key).unwrap();
    assert!(bench.endpoint.write(bench.now, key, b"more").is_err());
    let fin = bench.sent();
    assert_eq!((fin[0].header.kind, fin[0].header.seq), (Kind::Fin, data[0].header.seq.plus(1)));
    assert!(!bench.endpoint.is_flushed(key));
    bench.put(header(Kind::State, 8, 103, fin[0].header.seq.0), &[]);
    bench.sent();
    assert!(bench.endpoint.is_flushed(key));
    bench.endpoint.close(bench.now, key, None);
    bench.wait(Duration::from_secs(30));
    assert_eq!(bench.endpoint.endpoint_stats().connections, 0);
}

#[test]
fn a_connection_that_was_given_up_sends_what_was_written_and_says_why() {
    let mut bench = Bench::new();
    let (key, answer) = bench.accepted();
    bench.endpoint.write(bench.now, key, b"last words").unwrap();
    bench.endpoint.close(bench.now, key, Some(CloseReason(9)));
    let sent = bench.sent();
    assert_eq!(sent[0].payload, b"last words");
    let fin = sent.iter().find(|sent| sent.header.kind == Kind::Fin).unwrap();
    assert_eq!(fin.reason, Some(CloseReason(9)));
    bench.put(header(Kind::State, 8, 102, fin.header.seq.0), &[]);
    bench.put(header(Kind::Data, 8, 102, answer.header.seq.0), b"nobody reads this");
    assert!(bench.sent().iter().any(|sent| sent.header.kind == Kind::Reset));
    assert_eq!(bench.endpoint.endpoint_stats().connections, 0);
}

#[test]
fn a_peer_that_says_why_it_closes_is_heard() {
    let mut bench = Bench::new();
    let (key, answer) = bench.accepted();
    let mut datagram = Vec::new();
    let fin = header(Kind::Fin, 8, 102, answer.header.seq.0.wrapping_sub(1));
    Packet::encode(&fin, None, Some(CloseReason(21)), &[], &mut datagram);
    bench.endpoint.handle_datagram(bench.now, bench.peer, &datagram);
    assert_eq!(bench.endpoint.close_reason(key), Some(CloseReason(21)));
}

#[test]
fn a_quiet_connection_says_that_it_is_there() {
    let mut bench = Bench::new();
    let (key, _) = bench.dialled();
    let said = bench.wait(Duration::from_secs(300));
    assert!((9..=11).contains(&said.len()), "{}", said.len());
    assert!(said.iter().all(|sent| sent.header.kind == Kind::State && sent.header.ack == SeqNr(498)));
    assert_eq!(bench.endpoint.connected(key), Ok(true));
}

#[test]
fn a_peer_that_acknowledges_what_it_cannot_have_is_found_out() {
    let mut bench = Bench::new();
    let (key, syn) = bench.dialled();
    let id = syn.header.connection_id;
    let mut highest = syn.header.seq;
    // It says that all has arrived that can have been sent by now, as fast as it can.
    for n in 0..3_000_u32 {
        let _ = bench.endpoint.write(bench.now, key, &[1; 65_536]);
        for sent in bench.wait(Duration::from_millis(5)) {
            if sent.header.kind == Kind::Data && sent.header.seq.distance_from(highest) < 1000 {
                highest = sent.header.seq;
            }
        }
        let mut ack = header(Kind::State, id, 500, highest.0);
        ack.timestamp_difference = 1000 + n % 3;
        ack.window = 16 << 20;
        bench.put(ack, &[]);
        if bench.events.iter().any(|event| matches!(event, Event::Closed(..))) {
            break;
        }
    }
    bench.sent();
    assert_eq!(bench.events.pop_back(), Some(Event::Closed(key, Fault::OptimisticAck)));
}

#[test]
fn numbers_wrap_without_notice() {
    // Through more than 65,536 packets each way round the circle.
    let mut bench = Bench::new();
    let (key, answer) = bench.accepted();
    let ack = answer.header.seq.0.wrapping_sub(1);
    let mut out = vec![0; 4096];
    let mut total = 0;
    for n in 102..140_000_u32 {
        bench.put(header(Kind::Data, 8, n as u16, ack), b"0123456789");
        if let Ok(Read::Bytes(count)) = bench.endpoint.read(bench.now, key, &mut out) {
            total += count;
        }
        bench.sent();
    }
    assert_eq!(total, 5 + (140_000 - 102) * 10);
}
