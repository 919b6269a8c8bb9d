//! Tiers (BEP 12) of which the first is dead, and `--announce-to`.

use std::net::UdpSocket;

use torrent_interop::{ADDRESS, Payload, Process, Scratch, Torrent, Tracker, free_port};

use super::{Ours, Transport};

#[test]
fn the_second_is_asked_where_the_first_refuses_connections() {
    let dead = Transport::Http.url((ADDRESS, free_port()).into());
    download_by_the_second(&dead, Transport::Udp);
}

/// It takes the 5 s of `Schedule::patience`, and 5 s more for a `stopped` that is not answered.
#[test]
fn the_second_is_asked_where_the_first_is_silent() {
    if Ours::find().is_none() {
        return;
    }
    let silent = UdpSocket::bind((ADDRESS, free_port())).unwrap();
    download_by_the_second(&Transport::Udp.url(silent.local_addr().unwrap()), Transport::Udp);
}

fn download_by_the_second(dead: &str, transport: Transport) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), Ours::find()?);
    let tracker = Tracker::start(&scratch)?;
    let (payload, alive) = (Payload::file(&scratch), transport.url(tracker.address()));
    let torrent = Torrent::announcing(&scratch, &payload, &[dead.to_owned(), alive.clone()])?;
    tracker.admit(torrent.info_hash());
    let _seed = ours.seed(&scratch, &torrent, &payload, &["--announce-to=all"]);
    ours.wait_for_counts(&alive, &torrent, [1, 0]);
    let folder = scratch.folder("downloaded");
    ours.download(&scratch, &torrent, &folder);
    payload.assert_same(&folder);
    // Also where the dead one is still awaited, the living one hears of the end.
    assert_eq!(ours.counts(&alive, &torrent), [1, 0, 1]);
    Some(())
}

#[test]
fn the_second_is_not_told_unless_the_user_says_so() {
    not_told("--announce-to=first");
}

fn not_told(option: &str) -> Option<()> {
    let setting = Setting::new()?;
    let (mut seed, _) = setting.ours.seed(&setting.scratch, &setting.torrent, &setting.payload, &[option]);
    let [first, _] = &setting.urls;
    setting.ours.wait_for_counts(first, &setting.torrent, [1, 0]);
    seed.end();
    let mut second = setting.ours_is_second;
    second.end();
    let said = second.stderr();
    assert!(said.contains("answered 0 times over HTTP, 0 over UDP"), "{said}");
    Some(())
}

#[test]
fn all_tiers_are_told_if_the_user_says_so() {
    told("--announce-to=tiers");
}

#[test]
fn all_trackers_are_told_if_the_user_says_so() {
    told("--announce-to=all");
}

fn told(option: &str) -> Option<()> {
    let setting = Setting::new()?;
    let (mut seed, _) = setting.ours.seed(&setting.scratch, &setting.torrent, &setting.payload, &[option]);
    for url in &setting.urls {
        setting.ours.wait_for_counts(url, &setting.torrent, [1, 0]);
    }
    seed.end();
    for url in &setting.urls {
        assert_eq!(setting.ours.counts(url, &setting.torrent)[..2], [0, 0], "{url}");
    }
    Some(())
}

/// A torrent with opentracker in its first tier and `torrent tracker` in its second, both alive.
struct Setting {
    scratch: Scratch,
    ours: Ours,
    payload: Payload,
    torrent: Torrent,
    urls: [String; 2],
    _opentracker: Tracker,
    ours_is_second: Process,
}

impl Setting {
    fn new() -> Option<Self> {
        let (scratch, ours) = (Scratch::new(), Ours::find()?);
        let opentracker = Tracker::start(&scratch)?;
        let (second, address) = ours.tracker(&scratch);
        let urls = [Transport::Http.url(opentracker.address()), Transport::Udp.url(address)];
        let payload = Payload::file(&scratch);
        let torrent = Torrent::announcing(&scratch, &payload, &urls)?;
        opentracker.admit(torrent.info_hash());
        Some(Self { scratch, ours, payload, torrent, urls, _opentracker: opentracker, ours_is_second: second })
    }
}
