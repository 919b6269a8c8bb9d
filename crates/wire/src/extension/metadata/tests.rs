//! Honest peers, liars and sluggards.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
#[derive(Clone, Copy)]
enum Manner {
    Honest,
    /// Sends wrong bytes of the right length.
    Poisons,
    /// Never answers.
    Silent,
    /// Sends wrong bytes, but never the last block.
    Stalls,
    Rejects,
}

/// Runs a fetch in virtual time; says who was blamed or given up, how long it took, and the most that was held.
struct Swarm {
    truth: Vec<u8>,
    peers: BTreeMap<u32, (Manner, u32)>,
    fetch: MetadataFetch<u32>,
}

impl Swarm {
    fn new(size: u32, max_size: u32) -> Self {
        let truth = (0..size).map(|n| (n / 7) as u8).collect();
        Self { truth, peers: BTreeMap::new(), fetch: MetadataFetch::new(max_size) }
    }

    fn join(&mut self, name: u32, manner: Manner, size: u32) {
        self.fetch.handle_offer(start(), name, size).unwrap();
        self.peers.insert(name, (manner, size));
    }

    fn run(mut self, mut now: Instant) -> (Vec<u32>, Duration, u64) {
        let start = now;
        let (mut blamed, mut most) = (Vec::new(), 0);
        for _ in 0..1000 {
            while let Some((peer, piece)) = self.fetch.poll_request() {
                let (manner, size) = self.peers[&peer];
                let length = (size - piece * METADATA_BLOCK_LENGTH).min(METADATA_BLOCK_LENGTH) as usize;
                let begin = (piece * METADATA_BLOCK_LENGTH) as usize;
                let data = match manner {
                    Manner::Honest => self.truth[begin..begin + length].to_vec(),
                    Manner::Poisons => vec![0xee; length],
                    Manner::Stalls if begin + length < size as usize => vec![0xee; length],
                    Manner::Silent | Manner::Stalls => continue,
                    Manner::Rejects => {
                        self.fetch.handle_reject(now, peer, piece);
                        continue;
                    }
                };
                self.fetch.handle_data(now, peer, piece, size, &data).unwrap();
                most = most.max(self.fetch.memory());
                while let Some(event) = self.fetch.poll_event() {
                    match event {
                        MetadataEvent::Assembled(right) if right.bytes() == self.truth => {
                            return (blamed, now - start, most);
                        }
                        MetadataEvent::Assembled(wrong) => self.fetch.handle_refuted(now, wrong),
                        MetadataEvent::Liar(peer) => blamed.push(peer),
                    }
                }
            }
            now = self.fetch.poll_timeout().expect("somebody is left to wait for");
            self.fetch.handle_timeout(now);
        }
        panic!("never comes to an end")
    }
}

#[test]
fn the_work_is_divided_among_honest_peers() {
    let now = start();
    let mut fetch = MetadataFetch::new(1 << 20);
    fetch.handle_offer(now, 'a', 1 << 17).unwrap();
    fetch.handle_offer(now, 'b', 1 << 17).unwrap();
    let asked: Vec<_> = std::iter::from_fn(|| fetch.poll_request()).collect();
    assert_eq!(asked, [('a', 0), ('a', 1), ('a', 2), ('a', 3), ('b', 4), ('b', 5), ('b', 6), ('b', 7)]);
}

#[test]
fn a_liar_about_the_size_does_not_disturb_the_others() {
    let mut swarm = Swarm::new(100_000, 1 << 20);
    swarm.join(1, Manner::Poisons, 50_000);
    swarm.join(2, Manner::Silent, 1 << 20);
    swarm.join(3, Manner::Honest, 100_000);
    let (blamed, took, _) = swarm.run(start());
    assert_eq!((blamed, took), (vec![1], Duration::ZERO));
}

#[test]
fn liars_among_many_are_found_out_and_honest_peers_are_not_blamed() {
    let mut swarm = Swarm::new(300_000, 1 << 20);
    for name in 0..20 {
        swarm.join(name, if name % 3 == 0 { Manner::Poisons } else { Manner::Honest }, 300_000);
    }
    let (blamed, _, _) = swarm.run(start());
    assert!(blamed.iter().all(|name| name % 3 == 0), "{blamed:?}");
}

#[test]
fn nineteen_liars_cannot_keep_one_honest_peer_from_being_heard() {
    for honest in [0, 10, 19] {
        let mut swarm = Swarm::new(300_000, 1 << 20);
        for name in 0..20 {
            swarm.join(name, if name == honest { Manner::Honest } else { Manner::Poisons }, 300_000);
        }
        let (blamed, took, _) = swarm.run(start());
        assert!(!blamed.contains(&honest));
        assert_eq!(took, Duration::ZERO);
    }
}

#[test]
fn peers_that_do_not_answer_or_will_not_are_gone_around() {
    let mut swarm = Swarm::new(300_000, 1 << 20);
    swarm.join(1, Manner::Silent, 300_000);
    swarm.join(2, Manner::Rejects, 300_000);
    swarm.join(3, Manner::Honest, 300_000);
    let (_, took, _) = swarm.run(start());
    assert!(took <= Duration::from_secs(10), "{took:?}");

    let mut swarm = Swarm::new(300_000, 1 << 20);
    swarm.join(1, Manner::Silent, 300_000);
    swarm.join(2, Manner::Poisons, 300_000);
    swarm.join(3, Manner::Silent, 300_000);
    swarm.join(4, Manner::Honest, 300_000);
    let (blamed, took, _) = swarm.run(start());
    assert!(!blamed.contains(&4), "{blamed:?}");
    assert!(took <= Duration::from_secs(120), "{took:?}");
}

#[test]
fn what_is_held_stays_within_twice_the_maximum() {
    let max = 1 << 20;
    let mut swarm = Swarm::new(500_000, max);
    for name in 0..50 {
        swarm.join(name, Manner::Stalls, max - name);
    }
    swarm.join(99, Manner::Honest, 500_000);
    let (_, _, most) = swarm.run(start());
    assert!(most > u64::from(max), "the test means something");
    assert!(most <= 2 * u64::from(max), "{most}");
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

#[expect(clippy::disallowed_methods, reason = "a test has to begin somewhen")]
fn start() -> Instant {
    Instant::now()
}
