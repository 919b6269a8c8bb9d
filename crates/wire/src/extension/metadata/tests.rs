//! Honest peers, liars and slow ones, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{METADATA_BLOCK_LENGTH, MetadataEvent, MetadataFault, MetadataFetch, MetadataMessage};

#[test]
fn messages_have_the_bytes_of_bep9() {
    for (message, bytes) in [
        (MetadataMessage::Request { piece: 0 }, &b"d8:msg_typei0e5:piecei0ee"[..]),
        (
            MetadataMessage::Data { piece: 0, total_size: 34256, data: b"xx" },
            b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexx",
        ),
        (MetadataMessage::Reject { piece: 0 }, b"d8:msg_typei2e5:piecei0ee"),
    ] {
        assert_eq!(message.encode(), bytes);
        assert_eq!(MetadataMessage::decode(bytes), Ok(message));
    }
    assert_eq!(MetadataMessage::decode(b"d8:msg_typei7ee"), Ok(MetadataMessage::Unknown { kind: 7 }));
    for bytes in
        [&b""[..], b"le", b"de", b"d8:msg_typei0ee", b"d8:msg_typei0e5:piecei-1ee", b"d8:msg_typei1e5:piecei0ee"]
    {
        assert!(MetadataMessage::decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn blocks_past_the_end_and_metadata_that_is_kept_back_are_rejected() {
    let metadata = vec![1; METADATA_BLOCK_LENGTH as usize];
    assert!(
        matches!(MetadataMessage::answer(Some(&metadata), 0), MetadataMessage::Data { data, .. } if data == metadata)
    );
    assert_eq!(MetadataMessage::answer(Some(&metadata), 1), MetadataMessage::Reject { piece: 1 });
    assert_eq!(MetadataMessage::answer(Some(&metadata), u32::MAX), MetadataMessage::Reject { piece: u32::MAX });
    assert_eq!(MetadataMessage::answer(None, 0), MetadataMessage::Reject { piece: 0 });
}

/// How a peer answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Honest,
    /// Leaves the first request for each block unanswered, and refuses the second.
    Honest3rd,
    /// Sends wrong bytes of the right length.
    Poisons,
    /// Sends wrong bytes, but never the last block.
    Stalls,
    /// Sends right bytes but for one block.
    Spoils,
    Silent,
    Rejects,
}
use Manner::{Honest, Honest3rd, Poisons, Rejects, Silent, Spoils, Stalls};

#[derive(Clone, Copy, Debug)]
struct Other {
    manner: Manner,
    size: u32,
    /// From request to answer.
    latency: Duration,
    /// Bytes in a second that it sends.
    rate: u32,
}

impl Other {
    const fn new(manner: Manner, size: u32) -> Self {
        Self { manner, size, latency: Duration::from_millis(50), rate: 10_000_000 }
    }

    const fn far(self, millis: u64) -> Self {
        Self { latency: Duration::from_millis(millis), ..self }
    }

    const fn slow(self, rate: u32) -> Self {
        Self { rate, ..self }
    }
}

/// Runs a fetch in virtual time.
struct World {
    truth: Vec<u8>,
    fetch: MetadataFetch<u32>,
    others: BTreeMap<u32, Other>,
    /// How often each block was asked of each peer.
    asked: BTreeMap<(u32, u32), u32>,
    /// When the line of each peer is free again.
    lines: BTreeMap<u32, Instant>,
    /// Answers on their way, and the number of the request.
    mail: BinaryHeap<Reverse<(Instant, u32, u32, u32)>>,
    now: Instant,
    liars: Vec<u32>,
    memory: u64,
    requests: u32,
    /// Whether what is assembled is right is told so much later.
    hashing: Duration,
}

/// What a run has come to.
#[derive(Debug)]
struct End {
    took: Duration,
    liars: Vec<u32>,
    memory: u64,
    requests: u32,
}

impl World {
    fn new(size: u32, max_size: u32) -> Self {
        Self {
            truth: (0..size).map(|n| (n / 7) as u8).collect(),
            fetch: MetadataFetch::new(max_size),
            others: BTreeMap::new(),
            asked: BTreeMap::new(),
            lines: BTreeMap::new(),
            mail: BinaryHeap::new(),
            now: start(),
            liars: Vec::new(),
            memory: 0,
            requests: 0,
            hashing: Duration::ZERO,
        }
    }

    fn join(&mut self, name: u32, other: Other) {
        let _: Result<_, _> = self.fetch.handle_offer(self.now, name, other.size);
        self.others.insert(name, other);
    }

    fn leave(&mut self, name: u32) {
        self.fetch.handle_removed(self.now, name);
        self.others.remove(&name);
    }

    /// Until the metadata is there; fails if that takes longer than `limit`.
    fn run(mut self, limit: Duration) -> End {
        let begin = self.now;
        while !self.step() {
            let took = self.now - begin;
            assert!(took <= limit, "not there after {took:?}, {} requests", self.requests);
        }
        End { took: self.now - begin, liars: self.liars, memory: self.memory, requests: self.requests }
    }

    /// What is to be done at this moment; then on to the next one. Whether the metadata is there.
    fn step(&mut self) -> bool {
        while let Some((peer, piece)) = self.fetch.poll_request() {
            self.requests += 1;
            self.answer(peer, piece);
        }
        self.memory = self.memory.max(self.fetch.memory());
        let timer = self.fetch.poll_timeout();
        assert!(timer.is_none_or(|timer| timer > self.now), "what is due has been done");
        let mail = self.mail.peek().map(|Reverse((time, ..))| *time);
        self.now = timer.into_iter().chain(mail).min().expect("somebody is left to wait for");
        while let Some(Reverse((time, peer, piece, _))) = self.mail.peek().copied() {
            if time > self.now {
                break;
            }
            self.mail.pop();
            self.deliver(peer, piece);
        }
        if timer.is_some_and(|timer| timer <= self.now) {
            self.fetch.handle_timeout(self.now);
        }
        while let Some(event) = self.fetch.poll_event() {
            match event {
                MetadataEvent::Assembled(right) if right.bytes() == self.truth => return true,
                MetadataEvent::Assembled(wrong) => {
                    self.now += self.hashing;
                    self.fetch.handle_refuted(self.now, wrong);
                }
                MetadataEvent::Liar(peer) => self.liars.push(peer),
            }
        }
        false
    }

    fn answer(&mut self, peer: u32, piece: u32) {
        let times = self.asked.entry((peer, piece)).or_default();
        *times += 1;
        // A request may still be on its way when the peer has gone.
        let Some(other) = self.others.get(&peer) else { return };
        let is_last = (piece + 1) * METADATA_BLOCK_LENGTH >= other.size;
        match other.manner {
            Silent => return,
            Stalls if is_last => return,
            Honest3rd if *times == 1 => return,
            _ => {}
        }
        let line = self.lines.get(&peer).copied().unwrap_or(self.now).max(self.now + other.latency);
        let sent = line + Duration::from_secs_f64(f64::from(METADATA_BLOCK_LENGTH) / f64::from(other.rate));
        self.lines.insert(peer, sent);
        self.mail.push(Reverse((sent, peer, piece, *times)));
    }

    fn deliver(&mut self, peer: u32, piece: u32) {
        let Some(Other { manner, size, .. }) = self.others.get(&peer).copied() else { return };
        let times = self.asked[&(peer, piece)];
        if manner == Rejects || manner == Honest3rd && times == 2 {
            return self.fetch.handle_reject(self.now, peer, piece);
        }
        let begin = (piece * METADATA_BLOCK_LENGTH) as usize;
        let end = (begin + METADATA_BLOCK_LENGTH as usize).min(size as usize);
        let lies = !matches!(manner, Honest | Honest3rd) && (manner != Spoils || piece == 1);
        let data = if lies { vec![0xee; end - begin] } else { self.truth[begin..end].to_vec() };
        // Late ones may be of no use any more.
        let _: Result<_, _> = self.fetch.handle_data(self.now, peer, piece, size, &data);
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_work_is_divided_among_honest_peers() {
    let now = start();
    let mut fetch = MetadataFetch::new(1 << 20);
    fetch.handle_offer(now, 'a', 1 << 17).unwrap();
    fetch.handle_offer(now, 'b', 1 << 17).unwrap();
    let asked: Vec<_> = std::iter::from_fn(|| fetch.poll_request()).collect();
    assert_eq!(asked, [('a', 0), ('a', 1), ('a', 2), ('a', 3), ('b', 4), ('b', 5), ('b', 6), ('b', 7)]);

    let mut world = World::new(1 << 20, 32 << 20);
    (0..8).for_each(|name| world.join(name, Other::new(Honest, 1 << 20).slow(20_000)));
    let end = world.run(secs(12));
    assert!(end.took >= secs(6), "1 MiB at 8 times 20 kB/s takes 6.6 s: {end:?}");
    assert!(end.requests <= 64 + 32, "few blocks are asked for twice: {end:?}");
}

#[test]
fn the_largest_metadata_comes_from_one_far_peer_in_a_fraction_of_a_minute() {
    let size = 32 << 20;
    for (millis, limit) in [(50, 5), (200, 10), (400, 20)] {
        let mut world = World::new(size, size);
        world.join(1, Other::new(Honest, size).far(millis));
        let end = world.run(secs(limit));
        assert_eq!(end.requests, 2048, "each block once");
    }
}

#[test]
fn a_far_peer_is_not_slowed_down_by_hundreds_that_are_of_no_use() {
    let size = 32 << 20;
    let mut world = World::new(size, size);
    for name in 0..100 {
        world.join(name, Other::new(Silent, size));
        world.join(100 + name, Other::new(Rejects, size));
        world.join(200 + name, Other::new(Honest, size).slow(500));
    }
    world.join(300, Other::new(Honest, size).far(400));
    world.run(secs(30));
}

#[test]
fn a_slow_honest_peer_alone_is_waited_for() {
    // A block takes 16 s, more than a peer may take at first.
    let mut world = World::new(500_000, 1 << 20);
    world.join(1, Other::new(Honest, 500_000).slow(1000));
    let end = world.run(secs(800));
    assert!(end.requests < 100, "{end:?}");
}

#[test]
fn a_liar_about_the_size_does_not_disturb_the_others() {
    let mut world = World::new(100_000, 1 << 20);
    world.join(1, Other::new(Poisons, 50_000));
    world.join(2, Other::new(Silent, 1 << 20));
    world.join(3, Other::new(Honest, 100_000));
    let end = world.run(secs(1));
    assert_eq!(end.liars, [1]);
}

#[test]
fn hundreds_of_liars_about_the_size_cost_seconds_and_no_memory() {
    for (honest_size, max_size) in [(100_000, 4 << 20), (4_000_000, 4 << 20)] {
        for liar in [Stalls, Silent, Rejects, Poisons] {
            let mut world = World::new(honest_size, max_size);
            for name in 0..300 {
                // Half of them of the usual sizes, half of them as large as they may be.
                let size = if name % 2 == 0 { max_size / 8 - name } else { max_size - name };
                world.join(name, Other::new(liar, size));
            }
            world.join(300, Other::new(Honest, honest_size));
            // What stalls does so only after megabytes; two of the largest can do so at a time.
            let limit = if honest_size < 1 << 20 || liar != Stalls { 60 } else { 1200 };
            let end = world.run(secs(limit));
            assert!(end.memory <= 2 * u64::from(max_size), "{end:?}");
        }
    }
}

#[test]
fn liars_among_many_are_found_out_and_honest_peers_are_not_blamed() {
    for liar in [Poisons, Spoils] {
        let mut world = World::new(300_000, 1 << 20);
        for name in 0..20 {
            world.join(name, Other::new(if name % 3 == 0 { liar } else { Honest }, 300_000));
        }
        let end = world.run(secs(5));
        assert!(end.liars.iter().all(|name| name % 3 == 0), "{end:?}");
    }
}

#[test]
fn hundreds_of_liars_cannot_keep_one_honest_peer_from_being_heard() {
    for liar in [Poisons, Spoils, Stalls] {
        for honest in [0, 150, 299] {
            let mut world = World::new(300_000, 32 << 20);
            for name in 0..300 {
                world.join(name, Other::new(if name == honest { Honest } else { liar }, 300_000));
            }
            let end = world.run(secs(60));
            assert!(!end.liars.contains(&honest), "{liar:?}");
        }
    }
}

#[test]
fn peers_that_do_not_answer_or_will_not_are_gone_around() {
    let mut world = World::new(300_000, 1 << 20);
    world.join(1, Other::new(Silent, 300_000));
    world.join(2, Other::new(Rejects, 300_000));
    world.join(3, Other::new(Honest, 300_000));
    world.run(secs(3));

    let mut world = World::new(300_000, 1 << 20);
    world.join(1, Other::new(Silent, 300_000));
    world.join(2, Other::new(Poisons, 300_000));
    world.join(3, Other::new(Silent, 300_000));
    world.join(4, Other::new(Honest, 300_000));
    let end = world.run(secs(30));
    assert!(!end.liars.contains(&4), "{end:?}");
}

#[test]
fn what_was_delivered_outlives_the_peers_that_delivered_it() {
    let size = 640_000;
    let mut world = World::new(size, 1 << 20);
    for name in 0..10 {
        // Each gives four blocks of forty, and leaves.
        world.join(name, Other::new(Honest, size));
        while world.asked.keys().filter(|(peer, _)| *peer == name).count() < 8 {
            assert!(!world.step());
        }
        world.leave(name);
    }
    world.join(10, Other::new(Honest, size));
    let end = world.run(secs(10));
    assert!(end.requests < 100, "{end:?}");
}

#[test]
fn what_is_held_stays_within_twice_the_maximum() {
    let max = 1 << 20;
    let mut world = World::new(500_000, max);
    for name in 0..50 {
        world.join(name, Other::new(Stalls, max - name));
    }
    world.join(99, Other::new(Honest, 500_000));
    let end = world.run(secs(3600));
    assert!(end.memory >= u64::from(max - 50), "the test means something");
    assert!(end.memory <= 2 * u64::from(max), "{end:?}");
}

#[test]
fn what_was_not_asked_for_has_no_effect() {
    let now = start();
    let mut fetch = MetadataFetch::new(1 << 20);
    assert_eq!(fetch.handle_offer(now, 'a', 0), Err(MetadataFault::ImpossibleSize));
    assert_eq!(fetch.handle_offer(now, 'a', (1 << 20) + 1), Err(MetadataFault::ImpossibleSize));
    assert_eq!(fetch.handle_data(now, 'a', 0, 5, b"hello"), Err(MetadataFault::Unrequested));
    fetch.handle_offer(now, 'a', 5).unwrap();
    assert_eq!(fetch.handle_data(now, 'a', 0, 5, b"hello"), Err(MetadataFault::Unrequested));
    assert_eq!(fetch.poll_request(), Some(('a', 0)));
    assert_eq!(fetch.handle_data(now, 'a', 0, 6, b"hello"), Err(MetadataFault::WrongLength));
    assert_eq!(fetch.handle_data(now, 'a', 0, 5, b"hell"), Err(MetadataFault::WrongLength));
    assert_eq!(fetch.handle_data(now, 'a', 0, 5, b"hello"), Ok(()));
    assert!(matches!(fetch.poll_event(), Some(MetadataEvent::Assembled(whole)) if whole.bytes() == b"hello"));
}

#[test]
fn a_peer_cannot_change_the_size_at_will_and_a_liar_not_at_all() {
    let now = start();
    let mut fetch = MetadataFetch::new(1 << 20);
    let sizes = (1..).take_while(|size| fetch.handle_offer(now, 'a', *size).is_ok());
    assert_eq!(sizes.count(), 5);
    fetch.handle_offer(now, 'b', 5).unwrap();
    fetch.poll_request().unwrap();
    fetch.handle_data(now, 'b', 0, 5, b"wrong").unwrap();
    let Some(MetadataEvent::Assembled(wrong)) = fetch.poll_event() else { panic!() };
    fetch.handle_refuted(now, wrong);
    assert_eq!(fetch.poll_event(), Some(MetadataEvent::Liar('b')));
    assert_eq!(fetch.handle_offer(now, 'b', 6), Ok(()));
    assert_eq!(fetch.poll_request(), None);
}

#[test]
fn a_late_answer_is_as_good_as_any() {
    let now = start();
    let mut fetch = MetadataFetch::new(1 << 20);
    fetch.handle_offer(now, 'a', 5).unwrap();
    assert_eq!(fetch.poll_request(), Some(('a', 0)));
    let late = fetch.poll_timeout().unwrap();
    fetch.handle_timeout(late);
    assert_eq!(fetch.poll_request(), None, "it is left alone for a while");
    assert_eq!(fetch.handle_data(late, 'a', 0, 5, b"hello"), Ok(()));
    assert!(matches!(fetch.poll_event(), Some(MetadataEvent::Assembled(_))));
}

fn other(honest_size: u32, max_size: u32) -> impl Strategy<Value = Other> {
    let manner = prop_oneof![Just(Poisons), Just(Stalls), Just(Spoils), Just(Silent), Just(Rejects), Just(Honest)];
    let size = prop_oneof![3 => Just(honest_size), 1 => 1..=max_size, 1 => Just(max_size), 1 => 1..=max_size / 8];
    (manner, size, 1u64..5000, 500u32..10_000_000).prop_map(move |(manner, size, millis, rate)| {
        // One that sends the truth of another size cannot be.
        let manner = if size != honest_size && matches!(manner, Honest | Spoils) { Poisons } else { manner };
        Other::new(manner, size).far(millis).slow(rate)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever fifty others do, while they come and go: one peer that answers what it is asked *again* is enough.
    #[test]
    fn one_honest_peer_is_enough(
        small in any::<bool>(),
        others in proptest::collection::vec((other(100_000, 1 << 20), 0u32..400, any::<bool>()), 50),
        millis in 1u64..2000,
        rate in 5000u32..1_000_000,
        joins in 0u32..300,
    ) {
        let (size, max_size) = (100_000, if small { 1 << 20 } else { 100_000 });
        let mut world = World::new(size, max_size);
        let mut end = None;
        for step in 0..2_000_000 {
            for (name, (other, joins, leaves)) in (0..).zip(&others) {
                if *joins == step {
                    world.join(name, *other);
                }
                if *leaves && joins + 200 == step {
                    world.leave(name);
                }
            }
            if step == joins {
                world.join(1000, Other::new(Honest3rd, size).far(millis).slow(rate));
            }
            let has_begun = !world.mail.is_empty() || world.fetch.poll_timeout().is_some();
            if (step > 1000 || has_begun) && world.step() {
                end = Some(world.now - start());
                break;
            }
            prop_assert!(world.memory <= 2 * u64::from(max_size));
        }
        prop_assert!(end.is_some(), "never comes to an end");
        prop_assert!(!world.liars.contains(&1000));
    }
}

/// One moment for all tests of a run.
fn start() -> Instant {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhen")]
        Instant::now()
    });
    *START
}
