//! Scripts of a torrent's life: what is due, what comes back, what is due then.

use std::{io, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    error::{Failure, Retry},
    message::Amounts,
};

const SECOND: Duration = Duration::from_secs(1);

/// The tracker that was asked, and the event.
type Told = (String, Option<Event>);

/// A clock, and tiers whose hosts have one letter.
struct Script {
    tiers: Tiers,
    now: Instant,
}

impl Script {
    fn new(tiers: &[&[&str]], announce_to: AnnounceTo) -> Self {
        let urls = tiers.iter().map(|tier| tier.iter().map(|host| format!("http://{host}/announce")));
        let now = torrent_sim::start();
        let mut tiers = Tiers::new(urls, Trust::Torrent, announce_to, Schedule::default(), 1);
        tiers.handle_start(now, Content::Missing);
        Self { tiers, now }
    }

    fn due(&mut self) -> Option<(Ticket, String, Option<Event>)> {
        self.tiers.handle_timeout(self.now);
        let due = self.tiers.poll_announce()?;
        Some((due.ticket, due.url.host().to_owned(), due.event))
    }

    /// Answers the announce that is due next; gives host and event.
    fn answer(&mut self) -> Option<Told> {
        self.answer_with(&AnnounceResponse { interval: 1800 * SECOND, ..AnnounceResponse::default() })
    }

    fn answer_with(&mut self, response: &AnnounceResponse) -> Option<Told> {
        let (ticket, host, event) = self.due()?;
        self.tiers.handle_response(self.now, ticket, response);
        Some((host, event))
    }

    fn fail(&mut self) -> Option<Told> {
        self.fail_with(&Error::Io(io::ErrorKind::ConnectionRefused.into()))
    }

    fn fail_with(&mut self, error: &Error) -> Option<Told> {
        let (ticket, host, event) = self.due()?;
        self.tiers.handle_failure(self.now, ticket, error);
        Some((host, event))
    }

    /// Moves the clock to the next deadline; gives the pause.
    fn sleep(&mut self) -> Duration {
        assert!(self.tiers.poll_announce().is_none(), "something is due already");
        let wake = self.tiers.poll_timeout().unwrap();
        let pause = wake - self.now;
        self.now = wake;
        self.tiers.handle_timeout(wake);
        pause
    }

    fn order(&self) -> String {
        self.tiers.trackers().map(|tracker| tracker.url.host().to_owned()).collect()
    }
}

/// Takes the same step for as long as an announce is due; gives the hosts.
fn hosts(script: &mut Script, step: fn(&mut Script) -> Option<Told>) -> String {
    std::iter::from_fn(|| step(script)).map(|(host, _)| host).collect()
}

#[test]
fn bep12_tiers_are_shuffled_but_not_mixed() {
    let mut firsts = BTreeSet::new();
    for seed in 0..40 {
        let tiers = [vec!["http://a/announce", "http://b/announce", "http://c/announce"], vec!["http://d/announce"]];
        let tiers = Tiers::new(tiers, Trust::Torrent, AnnounceTo::FirstAnswer, Schedule::default(), seed);
        let order: Vec<_> = tiers.trackers().map(|tracker| (tracker.tier, tracker.url.host().to_owned())).collect();
        assert_eq!(order[3], (1, "d".to_owned()));
        firsts.insert(order[0].1.clone());
    }
    assert_eq!(firsts.len(), 3);
}

#[test]
fn bep12_the_next_is_tried_until_one_answers_and_that_one_moves_to_the_front() {
    let mut script = Script::new(&[&["a", "b", "c"], &["d"]], AnnounceTo::FirstAnswer);
    let order = script.order();
    let (first, second) = (order[..1].to_owned(), order[1..2].to_owned());
    assert_eq!(script.fail(), Some((first, Some(Event::Started))));
    assert_eq!(script.answer(), Some((second, Some(Event::Started))));
    let swapped: String = [1, 0, 2, 3].map(|at| &order[at..=at]).concat();
    assert_eq!(script.order(), swapped);
    // The next announce begins with it; the others are only tried if it fails.
    script.sleep();
    assert_eq!(hosts(&mut script, Script::fail), swapped);
}

#[test]
fn bep12_backups_are_used_and_the_first_tier_is_tried_first_again() {
    let mut script = Script::new(&[&["a"], &["b"], &["c"]], AnnounceTo::FirstAnswer);
    assert_eq!((script.fail().unwrap().0, script.answer().unwrap().0), ("a".into(), "b".into()));
    assert_eq!(script.order(), "abc");
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Started))));
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), None)));
}

#[test]
fn all_tiers_and_all_trackers_can_be_asked() {
    let mut script = Script::new(&[&["a", "b"], &["c"]], AnnounceTo::AllTiers);
    assert_eq!(hosts(&mut script, Script::answer).len(), 2);
    let mut script = Script::new(&[&["a", "b"], &["c"]], AnnounceTo::AllTrackers);
    assert_eq!(hosts(&mut script, Script::answer).len(), 3);
    // Each is on its own schedule and fails alone.
    script.sleep();
    assert_eq!(hosts(&mut script, Script::fail).len(), 1);
}

#[test]
fn only_one_of_a_group_is_asked_at_a_time() {
    let mut script = Script::new(&[&["a", "b"]], AnnounceTo::FirstAnswer);
    let (ticket, ..) = script.due().unwrap();
    assert!(script.due().is_none());
    script.tiers.handle_failure(script.now, ticket, &Error::TimedOut);
    assert!(script.due().is_some());
    // A ticket counts once.
    script.tiers.handle_response(script.now, ticket, &AnnounceResponse::default());
    assert!(script.due().is_none());
}

#[test]
fn a_silent_tracker_does_not_hold_up_the_next() {
    let mut script = Script::new(&[&["a"], &["b"], &["c"]], AnnounceTo::FirstAnswer);
    let (silent, host, event) = script.due().unwrap();
    assert_eq!((host.as_str(), event), ("a", Some(Event::Started)));
    assert_eq!(Some(script.sleep()), Schedule::default().patience);
    // Both are being asked; where the second fails, the third follows at once.
    assert_eq!(script.fail().unwrap().0, "b");
    assert_eq!(script.answer(), Some(("c".into(), Some(Event::Started))));
    let next = script.tiers.poll_timeout();
    // What comes of it later changes nothing but its place.
    script.tiers.handle_failure(script.now, silent, &Error::TimedOut);
    assert_eq!((script.due(), script.tiers.poll_timeout()), (None, next));
    // The next round begins with it again.
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Started))));
}

#[test]
fn a_late_answer_counts_and_its_tracker_is_not_asked_twice_meanwhile() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::FirstAnswer);
    let (late, ..) = script.due().unwrap();
    script.sleep();
    script.answer();
    // The download finishes: a tracker that knows us already is told.
    script.tiers.handle_complete(script.now);
    let (completed, host, event) = script.due().unwrap();
    assert_eq!((host.as_str(), event), ("b", Some(Event::Completed)));
    script.tiers.handle_response(script.now, late, &AnnounceResponse::default());
    assert_eq!(script.due(), None);
    script.tiers.handle_response(script.now, completed, &AnnounceResponse::default());
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), None)));
    script.tiers.handle_stop(script.now);
    assert_eq!(hosts(&mut script, Script::answer), "ab");
}

#[test]
fn one_that_still_owes_an_answer_is_awaited_not_asked_again() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::FirstAnswer);
    let (late, ..) = script.due().unwrap();
    script.sleep();
    script.answer();
    script.sleep();
    assert_eq!(script.due(), None);
    script.tiers.handle_response(script.now, late, &AnnounceResponse::default());
    assert_eq!(script.due(), None);
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), None)));
}

#[test]
fn completed_goes_to_the_tracker_that_was_told_started_and_waits_for_one_at_a_time() {
    let mut script = Script::new(&[&["a"], &["b"], &["c"]], AnnounceTo::FirstAnswer);
    script.fail();
    assert_eq!(script.answer(), Some(("b".into(), Some(Event::Started))));
    script.tiers.handle_complete(script.now);
    let (ticket, host, event) = script.due().unwrap();
    assert_eq!((host.as_str(), event), ("b", Some(Event::Completed)));
    assert_eq!(script.tiers.poll_timeout(), None);
    script.now += 30 * SECOND;
    assert_eq!(script.due(), None);
    script.tiers.handle_failure(script.now, ticket, &Error::TimedOut);
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Completed))));
}

#[test]
fn bep48_a_tracker_that_does_not_count_is_scraped_once_for_each_announce() {
    let counts = |seeders| AnnounceResponse {
        seeders: Some(seeders),
        leechers: Some(1),
        interval: 1800 * SECOND,
        ..AnnounceResponse::default()
    };
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::AllTrackers);
    assert_eq!(script.tiers.poll_scrape(), None);
    let (a, b) = (script.due().unwrap().0, script.due().unwrap().0);
    script.tiers.handle_response(script.now, a, &counts(3));
    assert_eq!(script.tiers.poll_scrape(), None);
    script.tiers.handle_response(script.now, b, &AnnounceResponse::default());
    let (ticket, url) = script.tiers.poll_scrape().unwrap();
    assert_eq!((url.host(), script.tiers.poll_scrape()), ("b", None));
    let entry = ScrapeEntry { seeders: 2, leechers: 7, downloaded: 5, downloaders: None };
    script.tiers.handle_scrape(script.now, ticket, Ok(Some(entry)));
    script.tiers.handle_scrape(script.now, ticket, Ok(Some(ScrapeEntry { seeders: 99, ..entry })));
    // The largest of each, and kept while the next is awaited.
    let expected = SwarmSize { seeders: Some(3), leechers: Some(7), downloaded: Some(5) };
    assert_eq!(script.tiers.swarm_size(), expected);
    script.sleep();
    script.answer();
    assert_eq!(script.tiers.swarm_size(), expected);
}

#[test]
fn a_tracker_that_refuses_a_scrape_is_not_scraped_again() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    for (outcome, again) in [(Ok(None), true), (Err(&Error::TimedOut), true), (Err(&Error::Status(404)), false)] {
        script.answer();
        let (ticket, _) = script.tiers.poll_scrape().unwrap();
        script.tiers.handle_scrape(script.now, ticket, outcome);
        script.sleep();
        script.answer();
        assert_eq!(script.tiers.poll_scrape().is_some(), again);
        script.sleep();
    }
    assert_eq!(script.tiers.swarm_size(), SwarmSize::default());
}

#[test]
fn failed_rounds_are_further_and_further_apart() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::FirstAnswer);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        assert_eq!(hosts(&mut script, Script::fail), "ab");
        pauses.push(script.sleep().as_secs_f64());
    }
    assert_eq!(pauses[..4], [17.5, 55.0, 117.5, 205.0]);
    assert_eq!(pauses[19], 3600.0);
    // One answer, and failures count from the beginning again.
    script.answer();
    script.sleep();
    assert_eq!(hosts(&mut script, Script::fail), "ab");
    assert_eq!(script.sleep().as_secs_f64(), 17.5);
}

#[test]
fn intervals_are_respected_and_spread() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    let response = |interval, min| AnnounceResponse {
        interval: SECOND * interval,
        min_interval: Some(SECOND * min),
        ..AnnounceResponse::default()
    };
    for (interval, min, expected) in [(900, 0, 900), (0, 0, 60), (100, 400, 400), (u32::MAX, 0, 86400)] {
        script.answer_with(&response(interval, min));
        let pause = script.sleep();
        assert!(pause >= SECOND * expected && pause < SECOND * (expected + expected / 20 + 1), "{interval}: {pause:?}");
    }
}

#[test]
fn torrents_that_were_added_together_drift_apart() {
    let now = torrent_sim::start();
    let next = |seed| {
        let urls = [["http://a/announce"]];
        let mut tiers = Tiers::new(urls, Trust::Torrent, AnnounceTo::FirstAnswer, Schedule::default(), seed);
        tiers.handle_start(now, Content::Missing);
        let ticket = tiers.poll_announce().unwrap().ticket;
        tiers.handle_response(
            now,
            ticket,
            &AnnounceResponse { interval: 1800 * SECOND, ..AnnounceResponse::default() },
        );
        (tiers.poll_timeout().unwrap() - now).as_secs()
    };
    let mut torrents = [0u32; 9];
    for seed in 0..9000 {
        torrents[usize::try_from((next(seed) - 1800) / 10).unwrap()] += 1;
    }
    // In each 10 s of the 90 about as many: what comes at once the first time does not again.
    assert!(torrents.iter().all(|count| (850..1150).contains(count)), "{torrents:?}");
}

#[test]
fn an_early_announce_waits_for_the_minimum_interval_and_not_longer() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    let response =
        AnnounceResponse { interval: 1800 * SECOND, min_interval: Some(300 * SECOND), ..AnnounceResponse::default() };
    script.answer_with(&response);
    script.now += 100 * SECOND;
    script.tiers.handle_need_peers(script.now);
    assert_eq!(script.sleep(), 200 * SECOND);
    script.answer_with(&response);
    script.now += 1000 * SECOND;
    script.tiers.handle_need_peers(script.now);
    assert!(script.answer().is_some());
    // While everything fails, it does not shorten the pause.
    script.sleep();
    script.fail();
    script.tiers.handle_need_peers(script.now);
    assert_eq!(script.sleep().as_secs_f64(), 17.5);
}

#[test]
fn a_torrent_that_stays_without_peers_asks_early_but_less_and_less_often() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    let response = AnnounceResponse { interval: 1800 * SECOND, ..AnnounceResponse::default() };
    let mut pauses = Vec::new();
    for _ in 0..8 {
        script.answer_with(&response);
        script.tiers.handle_need_peers(script.now);
        pauses.push(script.sleep().as_secs());
    }
    assert_eq!(pauses[..5], [60, 120, 240, 480, 960]);
    // Then the regular one, and from the beginning: peers may come again.
    assert!((1800..1890).contains(&pauses[5]), "{pauses:?}");
    assert_eq!(pauses[6..], [60, 120]);
}

#[test]
fn completed_is_said_exactly_once() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::FirstAnswer);
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Started))));
    script.tiers.handle_complete(script.now);
    script.tiers.handle_complete(script.now);
    // If the first cannot be told, the second is, and none later.
    assert_eq!(script.fail(), Some(("a".into(), Some(Event::Completed))));
    assert_eq!(script.answer(), Some(("b".into(), Some(Event::Completed))));
    for _ in 0..3 {
        script.sleep();
        assert_eq!(script.answer(), Some(("a".into(), None)));
        script.tiers.handle_complete(script.now);
    }
}

#[test]
fn completed_while_started_is_under_way_follows_it() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    let (ticket, _, event) = script.due().unwrap();
    assert_eq!(event, Some(Event::Started));
    script.tiers.handle_complete(script.now);
    script.tiers.handle_response(script.now, ticket, &AnnounceResponse::default());
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Completed))));
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), None)));
}

#[test]
fn a_seed_never_says_completed() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    script.tiers.handle_start(script.now, Content::Complete);
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Started))));
    script.tiers.handle_complete(script.now);
    assert_eq!(script.due(), None);
    script.sleep();
    assert_eq!(script.answer(), Some(("a".into(), None)));
}

#[test]
fn stopped_is_told_once_to_every_tracker_that_may_know_us() {
    let mut script = Script::new(&[&["a"], &["b"], &["c"]], AnnounceTo::FirstAnswer);
    script.fail();
    script.answer();
    script.sleep();
    // An announce that is under way: it may have counted us although no answer has come yet.
    let (late, host, _) = script.due().unwrap();
    assert_eq!(host, "a");
    assert!(!script.tiers.is_stopped());
    script.tiers.handle_stop(script.now);
    assert!(!script.tiers.is_stopped());
    assert_eq!(script.fail(), Some(("b".into(), Some(Event::Stopped))));
    // It is waited for, but not longer than two seconds.
    assert_eq!(script.sleep(), 2 * SECOND);
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Stopped))));
    assert_eq!(script.due(), None);
    assert!(script.tiers.is_stopped());
    script.tiers.handle_response(script.now, late, &AnnounceResponse::default());
    assert_eq!((script.due(), script.tiers.poll_timeout()), (None, None));
    // And it can begin again.
    script.tiers.handle_start(script.now, Content::Complete);
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Started))));
}

#[test]
fn stopped_follows_the_answer_to_an_announce_that_is_under_way() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    let (ticket, ..) = script.due().unwrap();
    script.tiers.handle_stop(script.now);
    assert_eq!(script.due(), None);
    script.now += SECOND;
    script.tiers.handle_response(script.now, ticket, &AnnounceResponse::default());
    assert_eq!(script.answer(), Some(("a".into(), Some(Event::Stopped))));
    assert!(script.tiers.is_stopped());
}

#[test]
fn a_download_that_stops_when_it_finishes_tells_completed_first() {
    for is_started in [true, false] {
        let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::AllTrackers);
        let (a, b) = (script.due().unwrap().0, script.due().unwrap().0);
        script.tiers.handle_response(script.now, b, &AnnounceResponse::default());
        if is_started {
            script.tiers.handle_response(script.now, a, &AnnounceResponse::default());
        }
        script.tiers.handle_complete(script.now);
        script.tiers.handle_stop(script.now);
        if !is_started {
            script.tiers.handle_response(script.now, a, &AnnounceResponse::default());
        }
        let mut told: Vec<_> = std::iter::from_fn(|| script.answer()).collect();
        told.sort_by(|one, other| one.0.cmp(&other.0));
        let events = [Some(Event::Completed), Some(Event::Stopped)];
        let expected: Vec<_> =
            ["a", "b"].iter().flat_map(|host| events.map(|event| ((*host).to_owned(), event))).collect();
        assert_eq!(told, expected);
        assert!(script.tiers.is_stopped());
    }
}

#[test]
fn a_farewell_ends_in_time_whatever_trackers_do() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::AllTrackers);
    script.answer();
    let silent = script.due().unwrap();
    script.tiers.handle_complete(script.now);
    let began = script.now;
    script.tiers.handle_stop(script.now);
    let mut told = Vec::new();
    while !script.tiers.is_stopped() {
        while let Some((_, host, event)) = script.due() {
            told.push((host, event));
        }
        script.sleep();
    }
    assert_eq!(script.now - began, 5 * SECOND);
    // `completed` to the one that had answered, and `stopped` to both in the end.
    let stopped = Some(Event::Stopped);
    assert_eq!(told, [("a".into(), Some(Event::Completed)), ("a".into(), stopped), ("b".into(), stopped)]);
    assert_eq!(silent.1, "b");
    assert_eq!(script.due(), None);
}

#[test]
fn a_tracker_that_was_never_reached_is_not_told_that_we_leave() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    script.fail();
    script.tiers.handle_stop(script.now);
    assert!(script.tiers.is_stopped());
    assert_eq!(script.due(), None);
    // Nor is one whose announce was due and not made yet, or that refuses the connection while we leave.
    for is_made in [false, true] {
        let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
        let due = is_made.then(|| script.due().unwrap());
        script.tiers.handle_stop(script.now);
        if let Some((ticket, ..)) = due {
            script.tiers.handle_failure(script.now, ticket, &Error::Io(io::ErrorKind::ConnectionRefused.into()));
        }
        assert_eq!((script.due(), script.tiers.is_stopped()), (None, true));
    }
}

#[test]
fn bep31_retry_in_is_respected() {
    let refuse = |retry| Error::Failure(Failure::new(b"no", retry));
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::FirstAnswer);
    script.fail_with(&refuse(Some(Retry::After(7200 * SECOND))));
    script.answer();
    // Half an hour later it is not tried, after two hours it is.
    let start = script.now;
    script.sleep();
    while script.now < start + 7000 * SECOND {
        assert_eq!(script.answer().unwrap().0, "b");
        script.sleep();
    }
    assert_eq!(script.fail_with(&refuse(Some(Retry::Never))).unwrap().0, "a");
    for _ in 0..50 {
        assert_eq!(script.answer().unwrap().0, "b");
        script.sleep();
    }
    script.fail_with(&refuse(Some(Retry::Never)));
    assert_eq!((script.due(), script.tiers.poll_timeout()), (None, None));
    assert!(script.tiers.trackers().all(|tracker| tracker.state == TrackerState::Disabled));
}

#[test]
fn bep21_partial_seeds_say_so_soon_and_with_every_announce() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    assert_eq!(script.answer().unwrap().1, Some(Event::Started));
    script.tiers.handle_pause(script.now);
    assert_eq!(script.sleep(), 60 * SECOND);
    assert_eq!(script.answer().unwrap().1, Some(Event::Paused));
    script.sleep();
    assert_eq!(script.answer().unwrap().1, Some(Event::Paused));
    script.tiers.handle_resume(script.now);
    script.sleep();
    assert_eq!(script.answer().unwrap().1, None);
}

#[test]
fn bep27_without_patience_only_a_failure_moves_on() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::FirstAnswer);
    let urls = [["http://a/announce"], ["http://b/announce"]];
    let schedule = Schedule { patience: None, ..Schedule::default() };
    script.tiers = Tiers::new(urls, Trust::Torrent, AnnounceTo::FirstAnswer, schedule, 1);
    script.tiers.handle_start(script.now, Content::Missing);
    let (silent, ..) = script.due().unwrap();
    assert_eq!(script.tiers.poll_timeout(), None);
    script.now += 100_000 * SECOND;
    assert_eq!(script.due(), None);
    script.tiers.handle_failure(script.now, silent, &Error::TimedOut);
    assert_eq!(script.answer(), Some(("b".into(), Some(Event::Started))));
}

#[test]
fn people_can_read_why_there_are_no_peers() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::AllTrackers);
    script.fail_with(&Error::Failure(Failure::new(b"unregistered torrent", None)));
    let warning = Some("ratio is low".to_owned());
    script.answer_with(&AnnounceResponse { warning, ..AnnounceResponse::default() });
    let seen: Vec<_> = script.tiers.trackers().map(|tracker| (tracker.last_error, tracker.last_warning)).collect();
    assert_eq!(seen, [(Some("the tracker refuses: unregistered torrent"), None), (None, Some("ratio is low"))]);
}

#[test]
fn what_is_told_belongs_to_the_event() {
    let mut script = Script::new(&[&["a"]], AnnounceTo::FirstAnswer);
    let mut request = AnnounceRequest::new([1; 20].into(), [2; 20].into(), 1);
    script.answer();
    script.tiers.handle_complete(script.now);
    request.set_amounts(Amounts { uploaded: 1, downloaded: 2, left: Some(3) });
    script.tiers.poll_announce().unwrap().apply(&mut request);
    assert_eq!((request.left, request.num_want), (Some(0), Some(200)));
    script.tiers.handle_stop(script.now);
    script.sleep();
    script.tiers.poll_announce().unwrap().apply(&mut request);
    assert_eq!((request.event, request.num_want), (Some(Event::Stopped), Some(0)));
}

#[test]
fn the_tracker_id_is_repeated_to_the_tracker_that_gave_it() {
    let mut script = Script::new(&[&["a"], &["b"]], AnnounceTo::AllTrackers);
    let id = Some(b"me".to_vec());
    script.answer_with(&AnnounceResponse { tracker_id: id.clone(), ..AnnounceResponse::default() });
    script.answer();
    script.now += 86400 * SECOND;
    script.tiers.handle_timeout(script.now);
    let due: Vec<_> = std::iter::from_fn(|| script.tiers.poll_announce()).collect();
    assert_eq!(due.iter().map(|due| due.tracker_id.clone()).collect::<Vec<_>>(), [id, None]);
}

#[test]
fn bad_urls_duplicates_and_floods_are_skipped_with_the_reason() {
    let many = (0..MAX_TRACKERS + 5).map(|n| format!("http://h{n}/announce"));
    let tiers = [vec!["wss://x/".to_owned(), "http://h1/announce".to_owned()], many.collect(), Vec::new()];
    let mut tiers = Tiers::new(tiers, Trust::Torrent, AnnounceTo::FirstAnswer, Schedule::default(), 1);
    let reasons: Vec<_> = tiers.skipped().iter().map(|skipped| skipped.reason).collect();
    assert_eq!(reasons[..2], [SkipReason::Url(UrlError::Scheme), SkipReason::Duplicate]);
    assert!(reasons[2..].iter().all(|&reason| reason == SkipReason::TooMany));
    assert_eq!(tiers.trackers().count(), MAX_TRACKERS);
    let now = torrent_sim::start();
    assert_eq!(tiers.handle_new_tracker(now, "http://new/announce", Trust::User), Err(SkipReason::TooMany));
}

#[test]
fn without_trackers_nothing_is_due() {
    let mut script = Script::new(&[], AnnounceTo::FirstAnswer);
    assert_eq!((script.due(), script.tiers.poll_timeout()), (None, None));
    script.tiers.handle_new_tracker(script.now, "udp://late:1", Trust::User).unwrap();
    assert_eq!(script.answer(), Some(("late".into(), Some(Event::Started))));
    script.tiers.handle_stop(script.now);
    script.answer();
    assert!(script.tiers.is_stopped());
}

proptest! {
    /// Whatever happens: an announce is under way, or there is a time at which one will be, and `completed` is acknowledged at most
    /// once.
    #[test]
    fn a_running_torrent_never_falls_silent(to in 0u8..3, ops in proptest::collection::vec(0u8..9, 0..200)) {
        let to = [AnnounceTo::FirstAnswer, AnnounceTo::AllTiers, AnnounceTo::AllTrackers][usize::from(to)];
        let mut script = Script::new(&[&["a", "b"], &["c"]], to);
        let groups = script.tiers.groups.len();
        let (mut asked, mut completed) = (Vec::new(), 0);
        for op in ops {
            while let Some(due) = script.due() {
                asked.push(due);
            }
            match op {
                0 | 1 if !asked.is_empty() => {
                    let (ticket, _, event) = asked.remove(0);
                    completed += usize::from(event == Some(Event::Completed));
                    script.tiers.handle_response(script.now, ticket, &AnnounceResponse::default());
                }
                2 | 3 if !asked.is_empty() => {
                    script.tiers.handle_failure(script.now, asked.remove(0).0, &Error::TimedOut);
                }
                4 => script.tiers.handle_complete(script.now),
                5 => script.tiers.handle_need_peers(script.now),
                6 => script.tiers.handle_pause(script.now),
                7 => script.tiers.handle_resume(script.now),
                _ => if let Some(at) = script.tiers.poll_timeout() { script.now = script.now.max(at) },
            }
            while let Some(due) = script.due() {
                asked.push(due);
            }
            prop_assert!(!asked.is_empty() || script.tiers.poll_timeout().is_some());
            prop_assert!(asked.len() <= 3, "one question at a time for a tracker");
            prop_assert!(completed <= groups);
        }
    }
}

proptest! {
    /// Whatever happened before and whatever trackers do: a farewell is over within its time, and no tracker is told `stopped` twice.
    #[test]
    fn a_farewell_ends(ops in proptest::collection::vec(0u8..5, 0..60), after in proptest::collection::vec(0u8..3, 0..20)) {
        let mut script = Script::new(&[&["a", "b"], &["c"]], AnnounceTo::AllTrackers);
        let mut asked = Vec::new();
        let mut step = |script: &mut Script, op: u8| {
            asked.extend(std::iter::from_fn(|| script.tiers.poll_announce()));
            let stopped = asked.iter().filter(|due| due.event == Some(Event::Stopped)).count();
            match op {
                0 if !asked.is_empty() => {
                    script.tiers.handle_response(script.now, asked.remove(0).ticket, &AnnounceResponse::default());
                }
                1 if !asked.is_empty() => script.tiers.handle_failure(script.now, asked.remove(0).ticket, &Error::TimedOut),
                2 => script.now += SECOND / 2,
                3 => script.tiers.handle_complete(script.now),
                _ => script.now = script.tiers.poll_timeout().unwrap_or(script.now).max(script.now),
            }
            script.tiers.handle_timeout(script.now);
            stopped
        };
        for op in ops {
            prop_assert_eq!(step(&mut script, op), 0);
        }
        script.tiers.handle_stop(script.now);
        let began = script.now;
        for op in after {
            prop_assert!(step(&mut script, op) <= 3);
        }
        while let Some(at) = script.tiers.poll_timeout() {
            prop_assert!(at > script.now);
            script.now = at;
            script.tiers.handle_timeout(at);
        }
        prop_assert!(script.tiers.is_stopped());
        prop_assert!(script.now - began <= 5 * SECOND || script.tiers.poll_announce().is_none());
    }
}
