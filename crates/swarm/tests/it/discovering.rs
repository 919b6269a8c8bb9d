//! Which addresses are dialled, which connections are admitted, and which make room.

use std::{net::SocketAddr, time::Duration};

use torrent_swarm::{
    Action, Announce, Candidate, Config, DialFault, Ending, Fact, Limits, Parting, Refused, Severity, Shared, Source,
    Via,
};
use torrent_types::Scope;

use crate::desk::Desk;

const TRACKER: Source = Source::Tracker(Scope::Global);

fn dead(index: u32) -> SocketAddr {
    SocketAddr::from(([11, 0, (index >> 8) as u8, index as u8], 7000))
}

fn learn(desk: &mut Desk, source: Source, addresses: impl IntoIterator<Item = SocketAddr>) {
    desk.swarm.handle_addresses(desk.now, source, addresses.into_iter().map(Candidate::from));
    desk.drain();
}

#[test]
fn among_two_hundred_dead_addresses_the_good_one_is_found_within_seconds() {
    let good = "8.8.8.8:6881".parse().unwrap();
    let mut times = Vec::new();
    for seed in 0..20u32 {
        let mut desk = Desk::with(4, 4, &Limits::default(), Config::default());
        learn(&mut desk, TRACKER, (0..200).map(|index| dead(index + seed * 200)).chain([good]));
        let began = desk.now;
        let mut waiting: Vec<(std::time::Instant, torrent_swarm::AttemptId)> = Vec::new();
        let found = loop {
            let dials = desk.dials();
            if dials.iter().any(|attempt| attempt.address == good) {
                break desk.now - began;
            }
            waiting.extend(dials.iter().map(|attempt| (desk.now + attempt.timeout, attempt.id)));
            assert!(waiting.len() <= 200);
            desk.pass(Duration::from_millis(50));
            let now = desk.now;
            let late: Vec<_> = waiting.iter().filter(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
            waiting.retain(|(at, _)| *at > now);
            for id in late {
                desk.swarm.handle_dial_failed(now, id, DialFault::Unreachable);
            }
            desk.drain();
        };
        times.push(found);
    }
    times.sort_unstable();
    assert!(times[19] <= Duration::from_secs(10) && times[10] <= Duration::from_secs(3), "{times:?}");
}

#[test]
fn thousands_of_ports_of_one_address_cost_it_one_connection_at_a_time() {
    let mut desk = Desk::new(4, 4);
    let mut dialled = 0;
    for _ in 0..12 {
        learn(&mut desk, TRACKER, (2000..5000).map(|port| SocketAddr::from(([203, 0, 113, 66], port))));
        let dials = desk.dials();
        dialled += dials.len();
        for attempt in dials {
            desk.swarm.handle_dial_failed(desk.now, attempt.id, DialFault::Unreachable);
        }
        desk.seconds(5);
    }
    assert!(dialled <= 4, "{dialled} in a minute");
}

#[test]
fn all_torrents_of_a_client_share_one_rate_of_dials() {
    let limits = Limits { dials_per_second: 10, half_open: 1000, ..Limits::default() };
    let shared = Shared::new(&limits);
    let mut desks: Vec<_> = (0..5).map(|_| Desk::sharing(4, 4, shared.clone(), Config::default())).collect();
    let mut dialled = 0;
    for (number, desk) in desks.iter_mut().enumerate() {
        learn(desk, TRACKER, (0..200).map(|index| dead(index + 200 * number as u32)));
        dialled += desk.dials().len();
    }
    assert_eq!(dialled, 20, "a burst");
    for _ in 0..10 {
        for desk in &mut desks {
            desk.seconds(1);
            dialled += desk.dials().len();
        }
    }
    assert!((100..=130).contains(&dialled), "{dialled}");
}

#[test]
fn our_own_address_is_dialled_once() {
    let mut desk = Desk::new(4, 4);
    let own = Desk::address(1);
    for round in 0..5 {
        learn(&mut desk, TRACKER, [own]);
        let dials = desk.dials();
        assert_eq!(dials.len(), usize::from(round == 0));
        for attempt in dials {
            desk.swarm.handle_dial_failed(desk.now, attempt.id, DialFault::Ourselves);
        }
        desk.seconds(2000);
    }
    let mut other = Desk::sharing(4, 4, desk.shared.clone(), Config::default());
    learn(&mut other, TRACKER, [own]);
    assert_eq!(other.dials(), [], "nor by another torrent");
}

#[test]
fn a_peer_that_dialled_us_and_said_where_it_listens_is_not_dialled() {
    let mut desk = Desk::new(4, 4);
    let from = "9.9.9.9:50000".parse().unwrap();
    let listens: SocketAddr = "9.9.9.9:6881".parse().unwrap();
    let key = desk.connect(from, Via::Accepted, 1, true).unwrap();
    desk.facts(key, [Fact::ListenPort(6881), Fact::HaveAll]);
    learn(&mut desk, TRACKER, [listens]);
    desk.seconds(100);
    assert_eq!(desk.dials(), []);
    let (_, todo) = desk.facts(key, [Fact::Unchoked]);
    desk.give(key, &todo);
    desk.swarm.handle_disconnected(desk.now, key, Ending::Closed);
    desk.drain();
    desk.seconds(3);
    let dials = desk.dials();
    assert_eq!(dials.len(), 1, "it gave something, and is dialled again soon");
    assert_eq!(dials[0].address, listens);
}

#[test]
fn of_two_connections_to_one_peer_both_ends_keep_the_same_and_a_working_one_stays() {
    let address = "9.9.9.9:6881".parse().unwrap();
    let run = |id: u32, later: bool| {
        // Our own id is in the middle.
        let config = Config::default().local_id(torrent_types::PeerId::new([100; 20]));
        let mut desk = Desk::with(4, 4, &Limits::default(), config);
        learn(&mut desk, TRACKER, [address]);
        let attempt = desk.dials()[0];
        let first = desk.connect(address, Via::Dialed(attempt.id), id, true).unwrap();
        if later {
            desk.seconds(60);
        }
        let second = desk.connect(address, Via::Accepted, id, true);
        (desk.parted(first), second.map(drop))
    };
    let (greater, less) = (u32::MAX, 1);
    assert_eq!(run(greater, false), (true, Ok(())), "theirs survives");
    assert_eq!(run(less, false), (false, Err(Refused::Duplicate)), "ours survives");
    assert_eq!(run(greater, true), (false, Err(Refused::Duplicate)), "the older one works");
}

#[test]
fn useless_peers_make_room_for_others() {
    let mut desk = Desk::with(4, 4, &Limits::default(), Config::default().max_peers(5));
    let strangers: Vec<_> =
        (0..5).filter_map(|id| desk.connect(dead(id), Via::Accepted, 900 + id, true).ok()).collect();
    for key in &strangers {
        desk.facts(*key, [Fact::HaveNone]);
    }
    let seed: SocketAddr = "8.8.8.8:6881".parse().unwrap();
    desk.seconds(7200);
    learn(&mut desk, TRACKER, [seed]);
    desk.seconds(20);
    let dials = desk.dials();
    assert_eq!(dials.len(), 1, "{:?}", desk.acts);
    assert!(desk.connect(seed, Via::Dialed(dials[0].id), 1, true).is_ok());
    assert!(desk.swarm.stats(desk.now).peers <= 5);
}

#[test]
fn strangers_leave_room_for_the_peers_that_we_dial() {
    let mut desk = Desk::with(4, 4, &Limits::default(), Config::default().max_peers(40));
    for id in 0..100 {
        let _ = desk.connect(dead(id), Via::Accepted, 900 + id, true);
    }
    assert!(desk.swarm.stats(desk.now).peers <= 30);
    learn(&mut desk, TRACKER, (500..520).map(dead));
    assert!(desk.dials().len() >= 10);
}

#[test]
fn repeated_faults_ban_an_address_and_the_worst_do_at_once() {
    let mut desk = Desk::new(4, 4);
    for round in 0..5 {
        let key = desk.connect(dead(1), Via::Accepted, round, true).unwrap();
        desk.swarm.handle_disconnected(desk.now, key, Ending::Fault(Severity::Disconnect));
    }
    assert_eq!(desk.connect(dead(1), Via::Accepted, 9, true), Err(Refused::Banned));
    let key = desk.connect(dead(2), Via::Accepted, 10, true).unwrap();
    desk.swarm.handle_disconnected(desk.now, key, Ending::Fault(Severity::Ban));
    assert_eq!(desk.connect(dead(2), Via::Accepted, 11, true), Err(Refused::Banned));
}

#[test]
fn bitfields_again_and_again_are_a_flood() {
    let mut desk = Desk::new(64, 1);
    let key = desk.peer(true);
    for _ in 0..10 {
        desk.facts(key, [Fact::HaveAll]);
    }
    assert!(desk.acts.contains(&Action::Disconnect(key, Parting::Flooding)));
}

#[test]
fn a_starving_torrent_asks_for_peers_with_pauses() {
    let mut desk = Desk::new(4, 4);
    let asked = |desk: &mut Desk| {
        let before = desk.acts.len();
        desk.acts.retain(|action| *action != Action::Announce(Announce::NeedPeers));
        before - desk.acts.len()
    };
    learn(&mut desk, TRACKER, []);
    desk.seconds(300);
    let times = asked(&mut desk);
    assert!((4..=6).contains(&times), "{times}");
    let seed = desk.proven_seed();
    desk.requests(seed);
    asked(&mut desk);
    desk.pass(Duration::from_millis(1500));
    assert_eq!(asked(&mut desk), 0);
    desk.swarm.handle_disconnected(desk.now, seed, Ending::Closed);
    desk.seconds(70);
    assert!(asked(&mut desk) >= 1);
}

#[test]
fn two_seeds_part_and_remember_each_other() {
    let mut desk = Desk::seed(4, 4, &Limits::default(), Config::default());
    learn(&mut desk, TRACKER, [Desk::address(1)]);
    let attempt = desk.dials()[0];
    let key = desk.connect(attempt.address, Via::Dialed(attempt.id), 1, true).unwrap();
    desk.facts(key, [Fact::HaveAll]);
    assert!(desk.acts.contains(&Action::Disconnect(key, Parting::Redundant)));
    desk.swarm.handle_disconnected(desk.now, key, Ending::Ours);
    desk.drain();
    for _ in 0..10 {
        desk.seconds(1800);
        learn(&mut desk, TRACKER, [Desk::address(1)]);
        assert_eq!(desk.dials(), []);
    }
}

#[test]
fn pex_tells_of_peers_that_others_can_reach_and_of_no_local_ones() {
    let mut desk = Desk::new(4, 4);
    let public = desk.connect("9.9.9.1:50000".parse().unwrap(), Via::Accepted, 1, true).unwrap();
    let other = desk.connect("9.9.9.2:50000".parse().unwrap(), Via::Accepted, 2, true).unwrap();
    let local = desk.connect("192.168.0.3:50000".parse().unwrap(), Via::Accepted, 3, true).unwrap();
    let before = desk.swarm.pex_generation();
    desk.facts(other, [Fact::ListenPort(6881), Fact::HaveAll]);
    desk.facts(local, [Fact::ListenPort(6882)]);
    assert_ne!(desk.swarm.pex_generation(), before);
    let told: Vec<_> = desk.swarm.pex(public).map(|peer| (peer.address.to_string(), peer.seed)).collect();
    assert_eq!(told, [("9.9.9.2:6881".to_owned(), true)]);
    assert_eq!(desk.swarm.pex(other).count(), 0);
    assert_eq!(desk.swarm.pex(local).count(), 1);
}
