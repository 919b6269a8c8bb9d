//! What messages and picks cost: by the number of pieces, and by the number of peers. None of it should grow with either,
//! but for the tick, which looks at each peer once.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use divan::{Bencher, counter::ItemsCount};
use torrent_swarm::{
    Action, Command, Config, Connected, Fact, Goal, Limits, Obfuscation, Outcome, PeerKey, Privacy, Shared, Swarm,
    Transport, Verdict, Via,
};
use torrent_types::{BLOCK_LENGTH, Bitfield, Block, Geometry, PeerId, PieceIndex};

const PIECES: [u32; 4] = [1_000, 10_000, 100_000, 2_000_000];
const PEERS: [u32; 3] = [50, 200, 1_000];

fn main() {
    divan::main();
}

struct Bench {
    swarm: Swarm,
    now: Instant,
    geometry: Geometry,
    asked: VecDeque<(PeerKey, Block)>,
}

impl Bench {
    fn new(pieces: u32, blocks: u32) -> Self {
        let length = blocks * BLOCK_LENGTH;
        let geometry = Geometry::new(u64::from(pieces) * u64::from(length), length).unwrap();
        let now = Instant::now();
        let limits = Limits { connections: 10_000, memory: 64 << 20, ..Limits::default() };
        let mut swarm = Swarm::new(now, 1, Config::default().max_peers(2_000), Shared::new(&limits));
        swarm.handle_goal(now, Goal::Download);
        swarm.handle_metadata(now, geometry, Privacy::Public);
        swarm.handle_checked(now, Ok(Bitfield::new(pieces)));
        let mut bench = Self { swarm, now, geometry, asked: VecDeque::new() };
        bench.drain();
        bench
    }

    fn peer(&mut self, index: u32) -> PeerKey {
        let mut id = [b'-'; 20];
        id[..4].copy_from_slice(&index.to_be_bytes());
        let connected = Connected {
            address: SocketAddr::from(([9, 9, (index >> 8) as u8, index as u8], 6881)),
            id: PeerId::new(id),
            via: Via::Accepted,
            transport: Transport::Tcp,
            obfuscation: Obfuscation::Plain,
            fast: true,
        };
        self.swarm.handle_connected(self.now, connected).unwrap()
    }

    fn facts(&mut self, key: PeerKey, facts: impl IntoIterator<Item = Fact>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.swarm.handle_facts(self.now, key, facts, &mut verdicts);
        self.drain();
        verdicts
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send(key, Command::Request(block)) => self.asked.push_back((key, block)),
                Action::Write(piece) => self.swarm.handle_pieces_stored(self.now, &[piece]),
                _ => {}
            }
        }
    }

    /// One block is answered, and whatever follows is done.
    fn answer(&mut self) -> bool {
        let Some((key, block)) = self.asked.pop_front() else { return false };
        let verdicts = self.facts(key, [Fact::Received(block)]);
        if verdicts == [Verdict::Buffer] && self.geometry.block_count(block.piece()) == 1 {
            self.swarm.handle_piece_hashed(self.now, block.piece(), Outcome::Good);
            self.drain();
        }
        true
    }
}

fn half(pieces: u32) -> Bitfield {
    let mut field = Bitfield::new(pieces);
    (0..pieces).step_by(2).for_each(|index| {
        field.set(PieceIndex::new(index));
    });
    field
}

/// 500 blocks of pieces of one block: requested, received, judged, stored.
fn blocks(bencher: Bencher<'_, '_>, pieces: u32, holdings: impl Fn() -> Fact) {
    bencher
        .counter(ItemsCount::new(500u32))
        .with_inputs(|| {
            let mut bench = Bench::new(pieces, 1);
            let key = bench.peer(1);
            bench.facts(key, [holdings(), Fact::RequestQueue(500), Fact::Unchoked]);
            bench
        })
        .bench_local_refs(|bench| {
            for _ in 0..500 {
                if !bench.answer() {
                    break;
                }
            }
        });
}

#[divan::bench(args = PIECES, sample_count = 10)]
fn block_from_a_seed(bencher: Bencher<'_, '_>, pieces: u32) {
    blocks(bencher, pieces, || Fact::HaveAll);
}

#[divan::bench(args = PIECES, sample_count = 10)]
fn block_from_a_half_seed(bencher: Bencher<'_, '_>, pieces: u32) {
    let field = half(pieces);
    blocks(bencher, pieces, || Fact::Bitfield(field.clone()));
}

#[divan::bench(args = PIECES, sample_count = 10)]
fn dont_have_and_have_of_a_seed(bencher: Bencher<'_, '_>, pieces: u32) {
    let mut bench = Bench::new(pieces, 1);
    let key = bench.peer(1);
    bench.facts(key, [Fact::HaveAll]);
    let piece = PieceIndex::new(pieces / 2);
    bencher.bench_local(|| bench.facts(key, [Fact::DontHave(piece), Fact::Have(piece)]));
}

#[divan::bench(args = PIECES, sample_count = 10)]
fn dont_have_and_have_of_a_half_seed(bencher: Bencher<'_, '_>, pieces: u32) {
    let mut bench = Bench::new(pieces, 1);
    let key = bench.peer(1);
    bench.facts(key, [Fact::Bitfield(half(pieces))]);
    let piece = PieceIndex::new(pieces / 2);
    bencher.bench_local(|| bench.facts(key, [Fact::DontHave(piece), Fact::Have(piece)]));
}

/// A torrent with partial peers that all let us request.
fn crowd(peers: u32) -> (Bench, Vec<PeerKey>) {
    let mut bench = Bench::new(10_000, 16);
    let keys: Vec<_> = (0..peers).map(|index| bench.peer(index)).collect();
    let field = half(10_000);
    for key in &keys {
        bench.facts(*key, [Fact::Bitfield(field.clone()), Fact::Unchoked, Fact::Interested]);
    }
    for _ in 0..peers * 4 {
        bench.answer();
    }
    (bench, keys)
}

#[divan::bench(args = PEERS, sample_count = 20)]
fn choke_and_unchoke(bencher: Bencher<'_, '_>, peers: u32) {
    let (mut bench, keys) = crowd(peers);
    let key = keys[0];
    bencher.bench_local(|| bench.facts(key, [Fact::Choked, Fact::Unchoked]));
}

#[divan::bench(args = PEERS, sample_count = 20)]
fn interest_and_none(bencher: Bencher<'_, '_>, peers: u32) {
    let (mut bench, keys) = crowd(peers);
    let key = keys[0];
    bencher.bench_local(|| bench.facts(key, [Fact::NotInterested, Fact::Interested]));
}

#[divan::bench(args = PEERS, sample_count = 20)]
fn second(bencher: Bencher<'_, '_>, peers: u32) {
    let (mut bench, _) = crowd(peers);
    bencher.bench_local(|| {
        let end = bench.now + Duration::from_secs(1);
        while let Some(at) = bench.swarm.poll_timeout().filter(|at| *at <= end) {
            bench.now = at.max(bench.now);
            bench.swarm.handle_timeout(bench.now);
            bench.drain();
        }
        bench.now = end;
        // They are silent; what is asked of them is never answered.
        bench.asked.clear();
    });
}
