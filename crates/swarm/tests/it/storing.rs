//! From bad copies to blame, and from failures of storage to another try.

use torrent_swarm::{
    Action, Activity, Candidate, Command, Config, Ending, Fact, Failure, Limits, Outcome, Phase, Refused, Source, Via,
    Waiting,
};
use torrent_types::Scope;

use crate::desk::{Desk, p};

/// The number of a block of a lie.
const LIE: u8 = 99;

#[test]
fn one_failed_piece_bans_nobody_who_is_not_alone_for_certain() {
    // A liar sends one block of each piece and hangs up; thousands of others come and go before the piece is complete.
    let mut desk = Desk::with(4, 4, &Limits::default(), Config::default().max_peers(20));
    let liar = desk.peer(true);
    let (_, first) = desk.facts(liar, [Fact::HaveAll, Fact::Unchoked]);
    desk.deliver(liar, &first, Outcome::Bad);
    desk.swarm.handle_disconnected(desk.now, liar, Ending::Closed);
    for _ in 0..1000 {
        let stranger = desk.peer(true);
        desk.swarm.handle_disconnected(desk.now, stranger, Ending::Closed);
    }
    desk.drain();
    let honest = desk.peer(true);
    let (_, mut todo) = desk.facts(honest, [Fact::HaveAll, Fact::Unchoked]);
    let mut failed = false;
    while !failed {
        for block in todo {
            let in_first = block.piece() == first[0].piece();
            desk.deliver(honest, &[block], if in_first { Outcome::Bad } else { Outcome::Good });
        }
        failed = desk.acts.iter().any(|action| matches!(action, Action::Testify(_)));
        assert!(!desk.parted(honest), "{:?} {first:?}", desk.acts);
        todo = desk.requests(honest);
    }
    let piece = first[0].piece();
    let digests = (0..4).map(|index| (index, [if index == first[0].index() { LIE } else { 0 }; 20])).collect();
    desk.swarm.handle_evidence(desk.now, piece, digests);
    desk.drain();
    assert!(desk.acts.contains(&Action::Forget(piece)));
    // The next copy is good, and tells which block was a lie, though its sender left long ago.
    assert_eq!(desk.newcomer_finishes(), []);
    desk.swarm.handle_evidence(desk.now, piece, (0..4).map(|index| (index, [0; 20])).collect());
    desk.drain();
    assert!(!desk.shared.is_banned(Desk::address(1002).ip()), "the one that completed the bad copy");
    assert!(desk.shared.is_banned(Desk::address(1).ip()), "the liar");
    assert_eq!(desk.connect(Desk::address(1), Via::Accepted, 1, true), Err(Refused::Banned));
    let again = [Candidate::from(Desk::address(1))];
    desk.swarm.handle_addresses(desk.now, Source::Tracker(Scope::Global), again);
    desk.drain();
    assert_eq!(desk.dials(), []);
}

#[test]
fn a_sole_sender_of_bad_data_is_banned_for_all_torrents_of_the_client_also_in_the_local_network() {
    let mut desk = Desk::new(4, 1);
    let other = Desk::sharing(4, 1, desk.shared.clone(), Config::default());
    let good = desk.proven_seed();
    desk.requests(good);
    let address = "192.168.1.77:6881".parse().unwrap();
    let liar = desk.connect(address, Via::Accepted, 700, true).unwrap();
    let (_, todo) = desk.facts(liar, [Fact::HaveAll, Fact::Unchoked]);
    if todo.is_empty() {
        return;
    }
    desk.deliver(liar, &todo, Outcome::Bad);
    assert!(desk.parted(liar));
    let mut other = other;
    let elsewhere = "192.168.1.77:7777".parse().unwrap();
    assert_eq!(other.connect(elsewhere, Via::Accepted, 700, true), Err(Refused::Banned));
}

#[test]
fn the_only_seed_with_one_damaged_piece_gives_the_others_and_the_damage_is_told() {
    let mut desk = Desk::new(64, 2);
    let seed = desk.peer(true);
    let (_, mut todo) = desk.facts(seed, [Fact::HaveAll, Fact::Unchoked]);
    let bad = p(17);
    for _ in 0..2000 {
        if todo.is_empty() {
            desk.seconds(1);
        }
        for block in todo {
            let outcome = if block.piece() == bad { Outcome::Bad } else { Outcome::Good };
            desk.deliver(seed, &[block], outcome);
        }
        todo = desk.requests(seed);
        if desk.swarm.have().count_ones() == 63 && todo.is_empty() {
            break;
        }
    }
    assert!(!desk.parted(seed));
    assert_eq!(desk.swarm.have().count_ones(), 63);
    assert_eq!(desk.acts.iter().filter(|action| **action == Action::Damaged(bad)).count(), 1);
    assert_eq!(desk.swarm.damaged().collect::<Vec<_>>(), [bad]);
    desk.seconds(60);
    assert_eq!(desk.requests(seed), [], "it is not asked for that piece again");
    assert_eq!(desk.swarm.stats(desk.now).waiting, Some(Waiting::Damaged));
    assert_eq!(desk.newcomer_finishes(), [], "another peer has it right");
    assert_eq!(desk.swarm.damaged().count(), 0);
}

#[test]
fn a_seed_that_gives_nothing_but_garbage_is_banned_even_if_it_is_the_only_one() {
    let mut desk = Desk::new(64, 1);
    let seed = desk.peer(true);
    let (_, mut todo) = desk.facts(seed, [Fact::HaveAll, Fact::Unchoked]);
    let mut bad = 0;
    while !desk.parted(seed) {
        bad += todo.len();
        desk.deliver(seed, &todo, Outcome::Bad);
        todo = desk.requests(seed);
        assert!(bad < 20);
    }
}

#[test]
fn liars_that_take_a_suspect_piece_and_hold_it_do_not_stall_it() {
    let mut desk = Desk::new(64, 4);
    let first = desk.peer(true);
    let (_, lie) = desk.facts(first, [Fact::HaveAll, Fact::Unchoked]);
    let piece = lie[0].piece();
    desk.deliver(first, &lie, Outcome::Bad);
    desk.facts(first, [Fact::Choked]);
    let others: Vec<_> = (0..7).map(|_| desk.peer(true)).collect();
    let seed = others[6];
    let mut asked = Vec::new();
    for key in &others {
        asked.push(desk.facts(*key, [Fact::HaveAll, Fact::Unchoked]).1);
    }
    // They finish what it has begun, and that fails.
    while !desk.acts.contains(&Action::Testify(piece)) {
        for (key, asked) in others.iter().zip(&mut asked) {
            for block in std::mem::take(asked) {
                let outcome = if block.piece() == piece { Outcome::Bad } else { Outcome::Good };
                desk.deliver(*key, &[block], outcome);
            }
            asked.extend(desk.requests(*key));
        }
    }
    desk.swarm.handle_evidence(desk.now, piece, (0..4).map(|index| (index, [index as u8; 20])).collect());
    desk.drain();
    // From now on all but one are silent.
    let mut todo = asked.pop().unwrap();
    for _ in 0..120 {
        todo.extend(desk.requests(seed));
        desk.give(seed, &std::mem::take(&mut todo));
        desk.seconds(1);
        if desk.swarm.is_complete() {
            return;
        }
    }
    panic!("{:?}", desk.swarm.stats(desk.now));
}

#[test]
fn when_storage_fails_nothing_is_fetched_and_one_piece_is_tried_later() {
    let mut desk = Desk::new(64, 4);
    let seed = desk.proven_seed();
    desk.requests(seed);
    desk.told(seed);
    desk.swarm.handle_storage_failed(desk.now, Failure::Passing);
    desk.swarm.handle_storage_failed(desk.now, Failure::Passing);
    desk.drain();
    let failed = Action::Phase(Phase::Active(Activity::StorageFailed(Failure::Passing)));
    assert_eq!(desk.acts.iter().filter(|action| **action == failed).count(), 1, "said once");
    let told = desk.told(seed);
    assert!(told.iter().any(|told| matches!(told, Command::Cancel(_))), "requests are taken back: {told:?}");
    assert_eq!(desk.shared.memory_used(), 0);
    desk.seconds(29);
    assert_eq!(desk.requests(seed), []);
    desk.seconds(1);
    assert!(desk.acts.contains(&Action::RetryStorage));
    let todo = desk.requests(seed);
    let pieces: std::collections::BTreeSet<_> = todo.iter().map(|block| block.piece()).collect();
    assert_eq!(pieces.len(), 1, "no more than one piece is risked");
    desk.give(seed, &todo);
    assert_eq!(desk.swarm.phase(), Phase::Active(Activity::Downloading));
    desk.pass(std::time::Duration::from_millis(100));
    let next = desk.requests(seed);
    assert!(!next.is_empty());
    desk.give(seed, &next);
    assert_eq!(desk.newcomer_finishes(), []);
}

#[test]
fn after_a_failure_with_several_seeds_every_piece_comes() {
    let mut desk = Desk::new(16, 8);
    let seeds: Vec<_> = (0..4).map(|_| desk.proven_seed()).collect();
    for round in 0..5 {
        for key in &seeds {
            let todo: Vec<_> = desk.requests(*key).into_iter().take(5).collect();
            desk.give(*key, &todo);
        }
        desk.swarm.handle_storage_failed(desk.now, Failure::Passing);
        desk.drain();
        desk.swarm.handle_resume(desk.now);
        desk.drain();
        desk.seconds(round);
    }
    for _ in 0..300 {
        for key in &seeds {
            let todo = desk.requests(*key);
            desk.give(*key, &todo);
        }
        desk.seconds(1);
    }
    assert!(desk.swarm.is_complete(), "{:?}", desk.swarm.stats(desk.now));
}

#[test]
fn a_piece_that_vanishes_is_withdrawn_and_fetched_again() {
    let mut desk = Desk::seed(8, 2, &Limits::default(), Config::default().disconnect_redundant(false));
    desk.swarm.handle_goal(desk.now, torrent_swarm::Goal::Download);
    let leech = desk.peer(true);
    desk.facts(leech, [Fact::HaveNone]);
    desk.swarm.handle_piece_lost(desk.now, p(3));
    desk.drain();
    assert!(desk.told(leech).contains(&Command::DontHave(p(3))));
    assert_eq!(desk.swarm.have().count_ones(), 7);
    desk.swarm.handle_piece_lost(desk.now, p(3));
    desk.drain();
    assert_eq!(desk.told(leech), [], "said once");
    assert_eq!(desk.newcomer_finishes(), []);
}
