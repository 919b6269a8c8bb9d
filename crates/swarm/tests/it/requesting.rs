//! No block is lost, no peer can hold one, and a peer that leaves some unanswered is asked for less, not for nothing.

use std::time::Duration;

use torrent_swarm::{Action, Command, Config, Ending, Fact, Limits, Outcome, PeerKey, Priority, Verdict};
use torrent_types::{Bitfield, Block};

use crate::desk::{Desk, p};

/// Piece 0 has failed once with two senders. Returns the second one, and what it is asked for now that it has the piece alone.
fn failed_once(fast: bool) -> (Desk, PeerKey, Vec<Block>) {
    let mut desk = Desk::new(3, 4);
    let (a, b) = (desk.peer(false), desk.peer(fast));
    desk.facts(a, [Fact::Have(p(0))]);
    desk.facts(b, [Fact::Have(p(0))]);
    let (_, first) = desk.facts(a, [Fact::Unchoked]);
    desk.give(a, &first);
    desk.facts(a, [Fact::Choked]);
    let (_, mut rest) = desk.facts(b, [Fact::Unchoked]);
    while !rest.is_empty() {
        desk.deliver(b, &rest, Outcome::Bad);
        let testify = desk.acts.iter().any(|action| matches!(action, Action::Testify(_)));
        if testify {
            break;
        }
        rest = desk.requests(b);
    }
    assert!(desk.acts.contains(&Action::Testify(p(0))), "{:?}", desk.acts);
    let digests = (0..4).map(|index| (index, [index as u8; 20])).collect();
    desk.swarm.handle_evidence(desk.now, p(0), digests);
    desk.drain();
    desk.pass(Duration::from_millis(100));
    let again = desk.requests(b);
    assert_eq!(again.len(), 4, "the second peer alone fetches it again");
    (desk, b, again)
}

#[test]
fn a_suspect_piece_is_fetched_from_others_when_its_peer_leaves() {
    let (mut desk, b, _) = failed_once(true);
    let (_, next) = desk.facts(b, [Fact::Have(p(1))]);
    assert!(!next.is_empty() && next.iter().all(|block| block.piece() == p(1)), "it moves on to piece 1");
    desk.swarm.handle_disconnected(desk.now, b, Ending::Closed);
    desk.drain();
    assert_eq!(desk.newcomer_finishes(), []);
}

#[test]
fn a_suspect_piece_is_fetched_from_others_when_its_peer_chokes() {
    for rejects in [true, false] {
        let (mut desk, b, asked) = failed_once(true);
        desk.facts(b, [Fact::Have(p(1))]);
        let rejected = asked.iter().filter(|_| rejects).map(|block| Fact::Rejected(*block));
        desk.facts(b, std::iter::once(Fact::Choked).chain(rejected));
        assert_eq!(desk.newcomer_finishes(), []);
    }
}

#[test]
fn a_late_block_of_a_suspect_piece_leaves_nothing_requested_by_nobody() {
    let (mut desk, b, asked) = failed_once(true);
    // libtorrent: what is being read from disk is sent after the choke, the rest is rejected.
    desk.facts(
        b,
        [
            Fact::Choked,
            Fact::Rejected(asked[1]),
            Fact::Rejected(asked[2]),
            Fact::Rejected(asked[3]),
            Fact::Received(asked[0]),
        ],
    );
    assert_eq!(desk.newcomer_finishes(), []);
}

#[test]
fn a_suspect_piece_whose_peer_trickles_goes_to_others() {
    let (mut desk, b, asked) = failed_once(true);
    let c = desk.proven_seed();
    let mut asked_of_other = false;
    for block in asked.into_iter().take(3) {
        desk.seconds(2);
        desk.give(b, &[block]);
        let todo = desk.requests(c);
        asked_of_other |= todo.iter().any(|block| block.piece() == p(0));
        desk.give(c, &todo);
    }
    desk.seconds(10);
    for _ in 0..20 {
        let todo = desk.requests(c);
        asked_of_other |= todo.iter().any(|block| block.piece() == p(0));
        desk.give(c, &todo);
        desk.seconds(1);
    }
    assert!(asked_of_other && desk.swarm.is_complete());
}

#[test]
fn one_unanswered_request_is_asked_again_of_the_same_peer() {
    let mut desk = Desk::new(3, 4);
    let seed = desk.proven_seed();
    let mut todo = desk.requests(seed);
    let lost = todo.remove(3);
    for _ in 0..30 {
        if todo.is_empty() {
            desk.seconds(1);
        } else {
            desk.give(seed, &todo);
        }
        todo = desk.requests(seed);
        if todo.contains(&lost) {
            desk.give(seed, &todo);
            return;
        }
    }
    panic!("{lost:?} was not asked for again");
}

#[test]
fn a_peer_that_keeps_fewer_requests_than_it_is_sent_still_gives_everything() {
    // It keeps 16 and drops the rest without a word; it answers one in 10 ms.
    let mut desk = Desk::new(32, 64);
    let seed = desk.proven_seed();
    let mut queue = std::collections::VecDeque::new();
    let mut sent = 0;
    while !desk.swarm.is_complete() {
        for block in desk.requests(seed) {
            if queue.len() < 16 {
                queue.push_back(block);
            }
        }
        if let Some(block) = queue.pop_front() {
            desk.give(seed, &[block]);
            sent += 1;
        }
        desk.pass(Duration::from_millis(10));
        assert!(sent < 2500);
    }
    assert!(desk.elapsed() < Duration::from_secs(3600));
    assert!(sent < 2048 + 200, "{sent}");
}

#[test]
fn a_peer_that_chokes_and_drops_without_a_word_is_asked_again_at_each_unchoke() {
    for fast in [true, false] {
        let mut desk = Desk::new(8, 16);
        let seed = desk.peer(fast);
        let (_, mut todo) = desk.facts(seed, [Fact::HaveAll, Fact::Unchoked]);
        for round in 0.. {
            assert!(round < 20, "fast: {fast}");
            let mut given = 0;
            while given < 40 && !todo.is_empty() {
                let now: Vec<_> = todo.drain(..todo.len().min(40 - given)).collect();
                given += now.len();
                desk.give(seed, &now);
                todo.extend(desk.requests(seed));
            }
            if desk.swarm.is_complete() {
                break;
            }
            desk.facts(seed, [Fact::Choked]);
            desk.pass(Duration::from_millis(1200));
            assert_eq!(desk.requests(seed), []);
            todo = desk.facts(seed, [Fact::Unchoked]).1;
            assert!(!todo.is_empty(), "asked at once, fast: {fast}");
        }
    }
}

#[test]
fn pieces_that_no_peer_can_go_on_with_give_their_memory_back() {
    // Pieces of 8 MiB and of 16 MiB; single peers begin as many as there is memory for, and leave.
    for (pieces, blocks) in [(20, 512), (20, 1024)] {
        let mut desk = Desk::new(pieces, blocks);
        for index in 0..16 {
            let stranger = desk.peer(true);
            let (_, first) = desk.facts(stranger, [Fact::Have(p(index)), Fact::Unchoked]);
            desk.give(stranger, &first);
            desk.swarm.handle_disconnected(desk.now, stranger, Ending::Closed);
            desk.drain();
        }
        assert_eq!(desk.shared.memory_used(), 16 << 20);
        let facts = [Fact::Have(p(16)), Fact::Have(p(17)), Fact::RequestQueue(500), Fact::Unchoked];
        let seed = desk.peer(true);
        let (_, mut todo) = desk.facts(seed, facts);
        let mut given = 0;
        for _ in 0..200 {
            desk.pass(Duration::from_millis(100));
            todo.extend(desk.requests(seed));
            given += desk.give(seed, &todo);
            todo.clear();
        }
        assert!(given > 500, "{given} blocks");
        desk.swarm.handle_disconnected(desk.now, seed, Ending::Closed);
        desk.seconds(120);
        assert_eq!(desk.shared.memory_used(), 0, "all memory comes back when no peer is there");
        assert_eq!(desk.swarm.stats(desk.now).open_pieces, 0);
    }
}

#[test]
fn the_memory_of_a_dead_torrent_is_there_for_others() {
    let shared = torrent_swarm::Shared::new(&Limits { memory: 4 << 20, ..Limits::default() });
    let mut dead = Desk::sharing(8, 64, shared.clone(), Config::default());
    let silent = dead.proven_seed();
    let first = dead.requests(silent);
    dead.give(silent, &first);
    dead.pass(Duration::from_millis(200));
    assert!(shared.memory_used() > 0);
    let mut live = Desk::sharing(8, 64, shared.clone(), Config::default());
    live.now = dead.now;
    assert_eq!(live.newcomer_finishes(), []);
}

#[test]
fn the_answer_to_our_own_cancel_is_no_fault_of_the_peer() {
    let mut desk = Desk::new(64, 16);
    let seed = desk.proven_seed();
    let mut todo = desk.requests(seed);
    for _ in 0..3 {
        desk.give(seed, &todo);
        todo = desk.requests(seed);
    }
    let depth = |desk: &Desk| desk.swarm.peers(desk.now).next().unwrap().request_depth;
    let before = depth(&desk);
    let stray = desk.block(0, 0);
    desk.facts(seed, [Fact::Rejected(stray)]);
    assert_eq!(depth(&desk), before);
    desk.give(seed, &todo);
    assert!(!desk.requests(seed).is_empty(), "nothing holds it back");
}

#[test]
fn silent_peers_hold_one_block_each_and_an_idle_peer_takes_those_over_at_once() {
    let mut desk = Desk::new(4, 16);
    let silent: Vec<_> = (0..5).map(|_| desk.peer(true)).collect();
    for key in &silent {
        let (_, asked) = desk.facts(*key, [Fact::HaveAll, Fact::RequestQueue(500), Fact::Unchoked]);
        assert_eq!(asked.len(), 1);
    }
    let seed = desk.peer(true);
    let (_, mut todo) = desk.facts(seed, [Fact::HaveAll, Fact::RequestQueue(500), Fact::Unchoked]);
    let began = desk.now;
    while !desk.swarm.is_complete() {
        desk.give(seed, &todo);
        desk.pass(Duration::from_millis(10));
        todo = desk.requests(seed);
        assert!(desk.now - began < Duration::from_secs(3), "{:?}", desk.swarm.stats(desk.now));
    }
    assert!(desk.now - began < Duration::from_millis(1500), "{:?}", desk.now - began);
    let cancelled = |desk: &mut Desk, key| desk.told(key).iter().any(|told| matches!(told, Command::Cancel(_)));
    assert!(silent.iter().any(|key| cancelled(&mut desk, *key)), "what came from elsewhere is cancelled");
}

#[test]
fn blocks_that_were_not_asked_for_are_discarded() {
    let mut desk = Desk::new(4, 16);
    let peer = desk.peer(true);
    let block = desk.block(0, 0);
    assert_eq!(desk.facts(peer, [Fact::HaveAll, Fact::Received(block)]).0, [Verdict::Discard]);
    assert_eq!(desk.swarm.stats(desk.now).wasted, u64::from(block.length()));
}

#[test]
fn a_peer_that_takes_back_a_piece_is_not_asked_for_it() {
    let mut desk = Desk::new(2, 16);
    let peer = desk.peer(true);
    let facts = [Fact::HaveAll, Fact::DontHave(p(0)), Fact::RequestQueue(1000), Fact::Unchoked];
    let (_, mut todo) = desk.facts(peer, facts);
    let mut all = Vec::new();
    while !todo.is_empty() {
        all.extend(todo.iter().copied());
        desk.give(peer, &todo);
        todo = desk.requests(peer);
    }
    assert_eq!(all.len(), 16);
    assert!(all.iter().all(|block| block.piece() == p(1)));
    let (_, again) = desk.facts(peer, [Fact::Have(p(0))]);
    assert!(!again.is_empty() && again.iter().all(|block| block.piece() == p(0)));
}

#[test]
fn seeds_that_take_back_many_pieces_are_peers_like_others() {
    let mut desk = Desk::new(300, 1);
    let seed = desk.proven_seed();
    desk.requests(seed);
    for index in 0..200 {
        desk.facts(seed, [Fact::DontHave(p(index))]);
    }
    let stats = desk.swarm.peers(desk.now).next().unwrap();
    assert_eq!((stats.pieces, stats.seed), (100, false));
    for index in 0..200 {
        desk.facts(seed, [Fact::Have(p(index))]);
    }
    assert!(desk.swarm.peers(desk.now).next().unwrap().seed);
    assert_eq!(desk.newcomer_finishes(), []);
}

#[test]
fn what_readers_wait_for_comes_first_and_what_is_skipped_not_at_all() {
    let mut desk = Desk::new(100, 1);
    desk.swarm.handle_priority(desk.now, p(0)..p(90), Priority::Skip);
    desk.swarm.handle_priority(desk.now, p(95)..p(97), Priority::High);
    let soon = desk.now + Duration::from_secs(1);
    desk.swarm.handle_deadlines(desk.now, &[(p(7), soon), (p(50), desk.now)]);
    let seed = desk.peer(true);
    let (_, mut todo) = desk.facts(seed, [Fact::HaveAll, Fact::Unchoked]);
    let mut order = Vec::new();
    while !todo.is_empty() {
        order.extend(todo.iter().map(|block| block.piece().get()));
        desk.give(seed, &todo);
        todo = desk.requests(seed);
    }
    assert_eq!(order[..2], [50, 7]);
    let mut high = order[2..4].to_vec();
    high.sort_unstable();
    assert_eq!(high, [95, 96]);
    assert_eq!(order.len(), 12);
    assert!(desk.swarm.is_finished() && !desk.swarm.is_complete());
    assert_eq!(desk.acts.iter().filter(|action| **action == Action::Finished).count(), 1);
    // What is wanted later comes later.
    desk.swarm.handle_priority(desk.now, p(0)..p(100), Priority::Normal);
    desk.drain();
    assert_eq!(desk.newcomer_finishes(), []);
    assert!(desk.swarm.is_complete());
}

#[test]
fn sequential_downloads_go_from_the_first_piece_to_the_last() {
    for (order, expected) in [
        (torrent_swarm::Order::Sequential, vec![0, 1, 2, 3, 4, 5]),
        (torrent_swarm::Order::EndsFirst, vec![0, 5, 1, 2, 3, 4]),
    ] {
        let mut desk = Desk::new(6, 1);
        desk.swarm.handle_order(desk.now, order);
        let seed = desk.peer(true);
        let (_, mut todo) = desk.facts(seed, [Fact::HaveAll, Fact::Unchoked]);
        let mut pieces = Vec::new();
        while !todo.is_empty() {
            pieces.extend(todo.iter().map(|block| block.piece().get()));
            desk.give(seed, &todo);
            todo = desk.requests(seed);
        }
        assert_eq!(pieces, expected);
    }
}

#[test]
fn a_partial_peer_among_many_pieces_of_others_is_found_its_own() {
    // The pieces of `few` are as rare as half a million others that only `many` has.
    let pieces = 500_000u32;
    let mut desk = Desk::new(u64::from(pieces), 1);
    let (many, few) = (desk.peer(true), desk.peer(true));
    let mut field = Bitfield::full(pieces);
    let own: Vec<_> = (0..20).map(|index| p(index * 24_999 + 7)).collect();
    own.iter().for_each(|piece| {
        field.clear(*piece);
    });
    desk.facts(many, [Fact::Bitfield(field)]);
    let (_, mut todo) = desk.facts(few, own.iter().map(|piece| Fact::Have(*piece)).chain([Fact::Unchoked]));
    let mut got = 0;
    for _ in 0..600 {
        got += desk.give(few, &todo);
        desk.pass(Duration::from_millis(50));
        todo = desk.requests(few);
    }
    assert_eq!(got, 20);
}

#[test]
fn extents_of_a_large_piece_are_asked_for_in_order_and_their_memory_comes_back() {
    // One piece of 64 MiB, and memory for 4.
    let limits = Limits { memory: 4 << 20, ..Limits::default() };
    let mut desk = Desk::with(2, 4096, &limits, Config::default());
    let seed = desk.proven_seed();
    let mut todo = desk.requests(seed);
    let (mut peak, mut stored) = (0, 0);
    let mut here = 1u32;
    for _ in 0..10_000 {
        if desk.swarm.is_complete() {
            break;
        }
        let ahead = todo.iter().map(|block| block.index() / 64).max().unwrap_or(0);
        assert!(ahead < stored + 5, "extent {ahead} is asked for while {stored} are stored");
        let piece = todo.first().map(|block| block.piece());
        desk.give(seed, &todo);
        here += todo.len() as u32;
        peak = peak.max(desk.shared.memory_used());
        if let Some(piece) = piece {
            while stored < (here % 4096) / 64 {
                desk.swarm.handle_extent_stored(desk.now, piece, stored);
                stored += 1;
            }
            if here.is_multiple_of(4096) {
                stored = 0;
            }
        }
        desk.drain();
        desk.pass(Duration::from_millis(20));
        todo = desk.requests(seed);
    }
    assert!(desk.swarm.is_complete(), "{:?}", desk.swarm.stats(desk.now));
    assert!(peak <= 4 << 20);
    assert_eq!(desk.shared.memory_used(), 0);
}

#[test]
fn a_reader_that_jumps_about_keeps_its_slots() {
    let mut desk = Desk::new(100, 1);
    desk.swarm.handle_priority(desk.now, p(0)..p(100), Priority::Skip);
    let seed = desk.peer(true);
    desk.facts(seed, [Fact::HaveAll]);
    for piece in 0..20 {
        let now = desk.now;
        desk.swarm.handle_deadlines(now, &[(p(piece), now)]);
        desk.drain();
        let (_, todo) = desk.facts(seed, [Fact::Unchoked]);
        assert_eq!(todo.iter().map(|block| block.piece()).collect::<Vec<_>>(), [p(piece)]);
        desk.give(seed, &todo);
        desk.seconds(2);
        assert!(!desk.told(seed).contains(&Command::NotInterested));
    }
    desk.seconds(10);
    assert_eq!(desk.told(seed), [Command::NotInterested], "it is said when nothing is wanted for some seconds");
}
