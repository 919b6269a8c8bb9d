//! UDP trackers in a simulated network: what is lost comes again when BEP 15 says, what is forged is ignored.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_sim::{Link, Node, NodeId, Transmit, World};
use torrent_tracker::{
    AnnounceRequest,
    server::{ServerConfig, Shards, UdpTracker},
    udp::{Answer, Request, Response, UdpClient, UdpError, UdpEvent, decode_request},
};

/// Both sides, as nodes of one world.
#[expect(clippy::large_enum_variant, reason = "a handful of them")]
enum Peer {
    Client {
        core: UdpClient,
        events: Vec<(Instant, UdpEvent)>,
        sent: Vec<Instant>,
    },
    Tracker {
        core: UdpTracker,
        shards: Shards,
        out: VecDeque<Transmit<Vec<u8>>>,
    },
    /// Notes what arrives, and leaves packets without an answer for which `deaf` says so.
    Script {
        heard: Vec<(Duration, &'static str)>,
        start: Instant,
        deaf: fn(usize, &str) -> bool,
        out: VecDeque<Transmit<Vec<u8>>>,
    },
}

impl Node for Peer {
    type Parcel = Vec<u8>;

    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, payload: Vec<u8>) {
        match self {
            Self::Client { core, .. } => core.handle_datagram(now, from, &payload),
            Self::Tracker { core, shards, out } => {
                let mut answer = Vec::new();
                core.handle_datagram(now, from, &payload, shards, &mut answer).unwrap();
                out.push_back(Transmit { to: from, parcel: answer });
            }
            Self::Script { heard, start, deaf, out } => {
                let (transaction, request) = decode_request(&payload).unwrap();
                let (name, response) = match request {
                    Request::Connect => ("connect", Response::Connect(u64::try_from(heard.len()).unwrap())),
                    Request::Announce { .. } => ("announce", Response::Error(b"enough")),
                    _ => ("scrape", Response::Error(b"enough")),
                };
                if !deaf(heard.len(), name) {
                    let mut payload = Vec::new();
                    response.encode(transaction, &mut payload);
                    out.push_back(Transmit { to: from, parcel: payload });
                }
                heard.push((now - *start, name));
            }
        }
        self.collect(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Client { core, .. } = self {
            core.handle_timeout(now);
        }
        self.collect(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<Vec<u8>>> {
        match self {
            Self::Client { core, sent, .. } => {
                let transmit = core.poll_transmit()?;
                sent.push(now);
                Some(transmit.into())
            }
            Self::Tracker { out, .. } | Self::Script { out, .. } => out.pop_front(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Client { core, .. } => core.poll_timeout(),
            _ => None,
        }
    }
}

impl Peer {
    fn client() -> Self {
        Self::Client { core: UdpClient::new([3; 32]), events: Vec::new(), sent: Vec::new() }
    }

    fn tracker(now: Instant) -> Self {
        let shards = Shards::new(ServerConfig::default(), now, [9; 32]);
        Self::Tracker { core: UdpTracker::default(), shards, out: VecDeque::new() }
    }

    fn script(start: Instant, deaf: fn(usize, &str) -> bool) -> Self {
        Self::Script { heard: Vec::new(), start, deaf, out: VecDeque::new() }
    }

    fn collect(&mut self, now: Instant) {
        if let Self::Client { core, events, .. } = self {
            events.extend(std::iter::from_fn(|| core.poll_event()).map(|event| (now, event)));
        }
    }

    fn events(&self) -> &[(Instant, UdpEvent)] {
        match self {
            Self::Client { events, .. } => events,
            _ => &[],
        }
    }

    fn heard(&self) -> &[(Duration, &'static str)] {
        match self {
            Self::Script { heard, .. } => heard,
            _ => &[],
        }
    }
}

fn two(make: impl FnOnce(Instant) -> Peer) -> (World<Peer>, NodeId, NodeId) {
    let mut world = World::seeded(1);
    let now = world.now();
    let client = world.add("10.0.0.1:1000".parse().unwrap(), Peer::client());
    let tracker = world.add("10.0.0.2:1337".parse().unwrap(), make(now));
    (world, client, tracker)
}

fn announce(world: &mut World<Peer>, client: NodeId, tracker: NodeId, port: u16) {
    let to = world.address(tracker);
    let request = AnnounceRequest::new([1; 20].into(), [2; 20].into(), port);
    world.with(client, |peer, now| {
        if let Peer::Client { core, .. } = peer {
            core.announce(now, to, request, "/announce?passkey").unwrap();
        }
        peer.collect(now);
    });
}

fn seconds(heard: &[(Duration, &'static str)]) -> Vec<(u64, &'static str)> {
    heard.iter().map(|(at, name)| (at.as_secs(), *name)).collect()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn bep15_connects_time_out_after_15_times_2_to_the_n_seconds() {
    let (mut world, client, tracker) = two(|now| Peer::script(now, |_, _| true));
    let start = world.now();
    announce(&mut world, client, tracker, 1);
    world.run_for(10 * HOUR);
    let expected: Vec<_> = [0, 15, 45, 105, 225, 465, 945, 1905, 3825].map(|at| (at, "connect")).into();
    assert_eq!(seconds(world[tracker].heard()), expected);
    let [(at, event)] = world[client].events() else { panic!("one event") };
    assert!(matches!(event.outcome, Err(UdpError::TimedOut)));
    assert_eq!((*at - start).as_secs(), 3825 + 3840);
}

/// Loss, repetition, disorder and lies change nothing about when a silent tracker is asked.
#[test]
fn bep15_the_schedule_is_kept_over_a_bad_network_full_of_forgeries() {
    for seed in 0..10 {
        let mut world = World::seeded(seed);
        let start = world.now();
        let client = world.add("10.0.0.1:1000".parse().unwrap(), Peer::client());
        let tracker = world.add("10.0.0.2:1337".parse().unwrap(), Peer::script(start, |_, _| true));
        world.link(client, tracker, bad_link);
        announce(&mut world, client, tracker, 1);
        let (to, real) = (world.address(client), world.address(tracker));
        for second in 0..8000u32 {
            let lies = [Response::Connect(666), Response::Error(b"go away"), Response::Scrape(&[])];
            for (from, lie) in
                [real, "10.0.0.3:1337".parse().unwrap(), "10.0.0.2:1338".parse().unwrap()].into_iter().zip(lies)
            {
                let mut payload = Vec::new();
                lie.encode(second.wrapping_mul(0x9e37_79b9), &mut payload);
                world.inject(from, to, payload);
            }
            world.run_for(Duration::from_secs(1));
        }
        let Peer::Client { sent, events, .. } = &world[client] else { panic!() };
        let sent: Vec<_> = sent.iter().map(|at| (*at - start).as_millis()).collect();
        assert_eq!(sent, [0, 15, 45, 105, 225, 465, 945, 1905, 3825].map(|second| second * 1000));
        let [(at, event)] = &events[..] else { panic!("one event") };
        assert!(matches!(event.outcome, Err(UdpError::TimedOut)));
        assert_eq!((*at - start).as_secs(), 3825 + 3840);
    }
}

fn bad_link() -> Link {
    let ms = Duration::from_millis;
    Link::new().delay(ms(50)).jitter(ms(100)).reorder(0.3, ms(400)).drop(0.15).duplicate(0.3)
}

#[test]
fn bep15_announces_time_out_and_ask_for_a_new_connection_id_when_it_has_expired() {
    // The example of § "Time outs", with answers that take no time.
    let (mut world, client, tracker) = two(|now| Peer::script(now, |number, _| number > 0));
    announce(&mut world, client, tracker, 1);
    world.run_for(Duration::from_secs(300));
    let expected =
        [(0, "connect"), (0, "announce"), (15, "announce"), (45, "announce"), (105, "connect"), (225, "connect")];
    assert_eq!(seconds(world[tracker].heard()), expected);
}

#[test]
fn bep15_a_connection_id_serves_many_questions_for_a_minute() {
    let (mut world, client, tracker) = two(|now| Peer::script(now, |_, _| false));
    for _ in 0..3 {
        announce(&mut world, client, tracker, 1);
        announce(&mut world, client, tracker, 2);
        world.run_for(Duration::from_secs(40));
    }
    let names: Vec<_> = world[tracker].heard().iter().map(|heard| heard.1).collect();
    // After 40 s the id is old enough to be doubted: the error makes the client ask for another, once.
    assert_eq!(names.iter().filter(|name| **name == "connect").count(), 3, "{names:?}");
    assert_eq!(world[client].events().len(), 6);
    assert!(world[client].events().iter().all(|(_, event)| matches!(event.outcome, Err(UdpError::Failure(_)))));
}

#[test]
fn a_newcomer_does_not_wait_for_the_long_silences_of_others() {
    let (mut world, client, tracker) = two(|now| Peer::script(now, |number, _| number < 7));
    announce(&mut world, client, tracker, 1);
    world.run_for(Duration::from_secs(1000));
    announce(&mut world, client, tracker, 2);
    world.run_for(Duration::from_secs(1));
    assert_eq!(seconds(world[tracker].heard())[7], (1000, "connect"));
    assert_eq!(world[client].events().len(), 2);
}

#[test]
fn every_announce_is_answered_once_over_a_bad_network() {
    for seed in 0..20 {
        let mut world = World::seeded(seed);
        let now = world.now();
        let client = world.add("10.0.0.1:1000".parse().unwrap(), Peer::client());
        let trackers: Vec<_> =
            (2..6).map(|n| world.add(SocketAddr::from(([10, 0, 0, n], 1337)), Peer::tracker(now))).collect();
        trackers.iter().for_each(|&tracker| world.link(client, tracker, bad_link));
        for port in 1..=50 {
            trackers.iter().for_each(|&tracker| announce(&mut world, client, tracker, port));
        }
        world.run_until(10 * HOUR, |world| world[client].events().len() == 200);
        let mut ids: Vec<_> = world[client].events().iter().map(|(_, event)| event.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 200);
        for (_, event) in world[client].events() {
            let Ok(Answer::Announce(answer)) = &event.outcome else { panic!("{event:?}") };
            assert_eq!(answer.interval, Duration::from_secs(1800));
            assert!(answer.peers.iter().all(|peer| peer.ip() == world.address(client).ip()));
        }
        world.run_for(HOUR);
        assert_eq!(world[client].events().len(), 200);
    }
}

#[test]
fn a_window_keeps_ten_thousand_announces_from_bursting() {
    let (mut world, client, tracker) = two(Peer::tracker);
    world.link(client, tracker, || Link::new().delay(Duration::from_millis(50)).rate(1_000_000, 40_000));
    let to = world.address(tracker);
    world.with(client, |peer, now| {
        let Peer::Client { core, .. } = peer else { panic!() };
        for number in 0..10_000u32 {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            core.announce(now, to, AnnounceRequest::new(hash.into(), [2; 20].into(), 1), "").unwrap();
        }
    });
    assert!(world.run_until(Duration::from_secs(60), |world| world[client].events().len() == 10_000));
    assert_eq!(world.counts().dropped, 0);
}

#[test]
fn forged_answers_are_ignored() {
    let (mut world, client, tracker) = two(|now| Peer::script(now, |_, _| true));
    announce(&mut world, client, tracker, 1);
    let (to, real) = (world.address(client), world.address(tracker));
    let mut forged = Vec::new();
    for transaction in 0..2000 {
        // Right address, guessed transaction.
        forged.clear();
        Response::Connect(666).encode(transaction, &mut forged);
        world.inject(real, to, forged.clone());
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(seconds(world[tracker].heard()), [(0, "connect")]);
    assert_eq!(world[client].events().len(), 0);
}

#[test]
fn a_known_transaction_from_another_address_is_ignored() {
    let now = torrent_sim::start();
    let mut core = UdpClient::new([1; 32]);
    let tracker: SocketAddr = "192.0.2.1:1337".parse().unwrap();
    core.announce(now, tracker, AnnounceRequest::new([1; 20].into(), [2; 20].into(), 1), "").unwrap();
    let connect = core.poll_transmit().unwrap().payload;
    let transaction = u32::from_be_bytes(*connect[12..].first_chunk().unwrap());
    let mut answer = Vec::new();
    Response::Connect(7).encode(transaction, &mut answer);
    for liar in ["192.0.2.2:1337", "192.0.2.1:1338", "[2001:db8::1]:1337"] {
        core.handle_datagram(now, liar.parse().unwrap(), &answer);
        assert_eq!(core.poll_transmit(), None, "{liar}");
    }
    core.handle_datagram(now, tracker, &answer);
    let announce = core.poll_transmit().unwrap().payload;
    assert_eq!(announce[..8], 7u64.to_be_bytes());
}

#[test]
fn a_restarted_tracker_is_asked_for_a_new_connection_id() {
    let (mut world, client, tracker) = two(Peer::tracker);
    announce(&mut world, client, tracker, 1);
    world.run_for(Duration::from_secs(30));
    world.with(tracker, |peer, now| {
        let shards = Shards::new(ServerConfig::default(), now, [10; 32]);
        *peer = Peer::Tracker { core: UdpTracker::default(), shards, out: VecDeque::new() };
    });
    announce(&mut world, client, tracker, 2);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world[client].events().len(), 2);
    assert!(world[client].events().iter().all(|(_, event)| event.outcome.is_ok()));
}

#[test]
fn cancelled_questions_leave_nothing_behind() {
    let now = torrent_sim::start();
    let tracker: SocketAddr = "192.0.2.1:1337".parse().unwrap();
    let mut core = UdpClient::new([1; 32]);
    let id = core.announce(now, tracker, AnnounceRequest::new([1; 20].into(), [2; 20].into(), 1), "").unwrap();
    core.cancel(now, id);
    assert!(core.is_idle());
    core.handle_timeout(now + HOUR);
    assert_eq!((core.poll_timeout(), core.poll_event().is_none()), (None, true));
}
