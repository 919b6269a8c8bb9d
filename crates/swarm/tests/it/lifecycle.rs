//! The life of a torrent: what is given to it in one phase is not lost in the next, and after its end nothing begins again.

use torrent_swarm::{
    Action, Activity, Announce, Candidate, Command, Config, Fact, Failure, Goal, Limits, Parting, Phase, Priority,
    Privacy, Refused, Shared, Source, Via,
};
use torrent_types::{Bitfield, Geometry, Scope};

use crate::desk::{B, Desk, p};

fn magnet() -> Desk {
    let geometry = Geometry::new(8 * 4 * B, 4 * B as u32).unwrap();
    Desk::raw(geometry, Shared::default(), Config::default())
}

#[test]
fn a_magnet_is_a_torrent_without_metadata_and_its_connections_go_on() {
    let mut desk = magnet();
    desk.swarm.handle_goal(desk.now, Goal::Download);
    desk.swarm.handle_priority(desk.now, p(0)..p(2), Priority::Skip);
    let address: std::net::SocketAddr = "8.8.8.8:6881".parse().unwrap();
    desk.swarm.handle_addresses(desk.now, Source::Tracker(Scope::Global), [address.into()]);
    desk.drain();
    let attempt = desk.dials()[0];
    assert_eq!(attempt.address, address);
    let dialed = desk.connect(address, Via::Dialed(attempt.id), 1, true).unwrap();
    let accepted = desk.peer(true);
    assert_eq!(desk.swarm.phase(), Phase::Metadata);
    // A peer behind a NAT that dials us is let in, and facts about pieces wait for the metadata.
    desk.facts(accepted, [Fact::HaveAll, Fact::Unchoked]);
    desk.swarm.handle_metadata(desk.now, desk.geometry, Privacy::Public);
    desk.drain();
    assert!(desk.acts.contains(&Action::Check) && desk.swarm.phase() == Phase::Checking);
    let (_, asked) = desk.facts(dialed, [Fact::HaveAll, Fact::Unchoked]);
    assert_eq!(asked, [], "nothing is fetched before the check is done");
    assert_eq!(desk.connect(Desk::address(77), Via::Accepted, 77, true), Err(Refused::NotActive));
    desk.swarm.handle_checked(desk.now, Ok(Bitfield::new(8)));
    desk.drain();
    assert_eq!(desk.swarm.phase(), Phase::Active(Activity::Downloading));
    let told = desk.told(dialed);
    assert!(told.contains(&Command::Interested) && told.iter().any(|told| matches!(told, Command::Request(_))));
    assert!(!desk.parted(accepted) && !desk.parted(dialed));
    assert_eq!(desk.newcomer_finishes(), []);
    assert_eq!(desk.swarm.phase(), Phase::Active(Activity::Finished), "two pieces were skipped from the beginning");
}

#[test]
fn bep27_a_magnet_that_turns_out_to_be_private_parts_with_strangers() {
    let mut desk = magnet();
    desk.swarm.handle_addresses(desk.now, Source::Dht, [Candidate::from(Desk::address(700))]);
    desk.drain();
    let attempt = desk.dials()[0];
    let stranger = desk.connect(attempt.address, Via::Dialed(attempt.id), 700, true).unwrap();
    let guest = desk.peer(true);
    desk.swarm.handle_metadata(desk.now, desk.geometry, Privacy::Private);
    desk.drain();
    assert!(desk.acts.contains(&Action::Disconnect(stranger, Parting::Private)));
    assert!(!desk.parted(guest));
    assert_eq!(desk.swarm.pex(guest).count(), 0);
}

#[test]
fn addresses_that_come_while_checking_are_dialled_afterwards() {
    let mut desk = magnet();
    desk.swarm.handle_goal(desk.now, Goal::Download);
    desk.swarm.handle_metadata(desk.now, desk.geometry, Privacy::Public);
    desk.swarm.handle_addresses(desk.now, Source::User, [Candidate::from(Desk::address(1))]);
    desk.drain();
    desk.seconds(100);
    assert_eq!(desk.dials(), []);
    desk.swarm.handle_checked(desk.now, Ok(Bitfield::new(8)));
    desk.drain();
    assert_eq!(desk.dials().len(), 1);
}

#[test]
fn a_check_that_failed_is_not_have_nothing() {
    let mut desk = magnet();
    desk.swarm.handle_goal(desk.now, Goal::Download);
    desk.swarm.handle_metadata(desk.now, desk.geometry, Privacy::Public);
    desk.swarm.handle_checked(desk.now, Err(Failure::Passing));
    desk.drain();
    desk.acts.clear();
    assert_eq!(desk.swarm.phase(), Phase::Checking);
    desk.seconds(29);
    assert_eq!(desk.acts, []);
    desk.seconds(1);
    assert_eq!(desk.acts, [Action::Check]);
    desk.swarm.handle_checked(desk.now, Err(Failure::Lasting));
    desk.drain();
    desk.seconds(10_000);
    assert_eq!(desk.acts, [Action::Check], "a lasting failure waits for the user");
    desk.swarm.handle_resume(desk.now);
    desk.drain();
    assert_eq!(desk.acts, [Action::Check, Action::Check]);
    desk.swarm.handle_checked(desk.now, Ok(Bitfield::full(8)));
    desk.drain();
    assert_eq!(desk.swarm.phase(), Phase::Active(Activity::Seeding));
    assert!(!desk.acts.contains(&Action::Announce(Announce::Completed)), "it did not just finish");
}

#[test]
fn completed_is_announced_once_and_finished_said_once() {
    let mut desk = Desk::new(4, 2);
    assert_eq!(desk.newcomer_finishes(), []);
    let count = |desk: &Desk, which: Action| desk.acts.iter().filter(|action| **action == which).count();
    assert_eq!(count(&desk, Action::Announce(Announce::Completed)), 1);
    assert_eq!(count(&desk, Action::Finished), 1);
    desk.swarm.handle_piece_lost(desk.now, p(2));
    desk.drain();
    assert_eq!(desk.swarm.phase(), Phase::Active(Activity::Downloading));
    assert_eq!(desk.newcomer_finishes(), []);
    assert_eq!(count(&desk, Action::Announce(Announce::Completed)), 1);
    assert_eq!(count(&desk, Action::Finished), 2);
}

#[test]
fn after_a_stop_no_connection_is_admitted_in_any_way() {
    let mut desk = Desk::new(4, 2);
    desk.swarm.handle_addresses(desk.now, Source::User, [Candidate::from(Desk::address(500))]);
    desk.drain();
    let attempt = desk.dials()[0];
    let peer = desk.proven_seed();
    desk.requests(peer);
    desk.swarm.handle_stop(desk.now);
    desk.drain();
    assert!(desk.acts.contains(&Action::Leave) && desk.parted(peer));
    // A dial that was under way, a handshake that was under way, and a peer that does not hear.
    assert_eq!(desk.connect(attempt.address, Via::Dialed(attempt.id), 9, true), Err(Refused::NotActive));
    assert_eq!(desk.connect(Desk::address(600), Via::Accepted, 10, true), Err(Refused::NotActive));
    let (_, asked) = desk.facts(peer, [Fact::Unchoked, Fact::HaveAll]);
    assert_eq!(asked, []);
    desk.swarm.handle_left(desk.now);
    desk.drain();
    assert_eq!(desk.swarm.phase(), Phase::Stopped);
    desk.seconds(10_000);
    assert_eq!((desk.dials(), desk.swarm.poll_timeout(), desk.shared.memory_used()), (vec![], None, 0));
    desk.swarm.handle_resume(desk.now);
    desk.swarm.handle_goal(desk.now, Goal::Download);
    desk.drain();
    assert_eq!(desk.swarm.phase(), Phase::Stopped);
}

#[test]
fn a_paused_torrent_has_no_connections_and_comes_back() {
    let mut desk = Desk::new(4, 2);
    let peer = desk.proven_seed();
    desk.swarm.handle_pause(desk.now);
    desk.drain();
    assert!(desk.parted(peer) && desk.swarm.phase() == Phase::Active(Activity::Paused));
    assert_eq!(desk.shared.memory_used(), 0);
    assert_eq!(desk.connect(Desk::address(600), Via::Accepted, 10, true), Err(Refused::NotActive));
    desk.swarm.handle_resume(desk.now);
    desk.drain();
    assert_eq!(desk.newcomer_finishes(), []);
}

#[test]
fn connections_from_before_the_check_hear_what_we_have_or_begin_anew() {
    for (pieces, told) in [(100, true), (5000, false)] {
        let geometry = Geometry::new(pieces * B, B as u32).unwrap();
        let mut desk = Desk::raw(geometry, Shared::default(), Config::default());
        let peer = desk.peer(true);
        desk.begin(Bitfield::full(geometry.piece_count()));
        let haves = desk.told(peer).iter().filter(|told| matches!(told, Command::Have(_))).count();
        assert_eq!(haves as u64, if told { pieces } else { 0 });
    }
}

#[test]
fn an_idle_torrent_plans_nothing() {
    let mut desk = Desk::seed(1000, 1, &Limits::default(), Config::default());
    assert_eq!(desk.swarm.poll_timeout(), None);
    // A leech comes, is served, and goes.
    let key = desk.peer(true);
    desk.facts(key, [Fact::HaveNone, Fact::Interested]);
    let block = desk.block(0, 0);
    desk.facts(key, [Fact::Requested(block)]);
    desk.swarm.take_uploads(key, 1, &mut Vec::new());
    desk.swarm.handle_uploaded(desk.now, key, 1 << 14);
    desk.facts(key, [Fact::NotInterested]);
    desk.seconds(60);
    assert_eq!(desk.swarm.poll_timeout(), None, "connected, but without a wish");
    desk.swarm.handle_disconnected(desk.now, key, torrent_swarm::Ending::Closed);
    desk.seconds(60);
    assert_eq!(desk.swarm.poll_timeout(), None);
    let size = size_of::<torrent_swarm::Swarm>();
    assert!(size <= 2048, "{size} bytes");
}
