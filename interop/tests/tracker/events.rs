//! What real trackers count when `torrent` comes, finishes and goes.

use torrent_interop::{Payload, Scratch, Torrent, Tracker};

use super::{Ours, Transport, library};

#[test]
fn opentracker_over_http() {
    opentracker(Transport::Http);
}

#[test]
fn opentracker_over_udp() {
    opentracker(Transport::Udp);
}

fn opentracker(transport: Transport) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), Ours::find()?);
    let tracker = Tracker::start(&scratch)?;
    let (payload, url) = (Payload::file(&scratch), transport.url(tracker.address()));
    let torrent = Torrent::announcing(&scratch, &payload, std::slice::from_ref(&url))?;
    tracker.admit(torrent.info_hash());
    come_finish_and_go(&ours, &scratch, &payload, &torrent, &url, [0, 1]);
    Some(())
}

#[tokio::test]
async fn bittorrent_tracker_of_npm_over_http() {
    npm(Transport::Http).await;
}

#[tokio::test]
async fn bittorrent_tracker_of_npm_over_udp() {
    npm(Transport::Udp).await;
}

async fn npm(transport: Transport) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), Ours::find()?);
    let tracker = library::npm_server().await?;
    let (payload, url) = (Payload::file(&scratch), transport.url(tracker.address()));
    let torrent = Torrent::announcing(&scratch, &payload, std::slice::from_ref(&url))?;
    // What it gives for finished downloads is the number of its seeds.
    come_finish_and_go(&ours, &scratch, &payload, &torrent, &url, [1, 1]);
    Some(())
}

/// `finished` is what the tracker gives for finished downloads before and after one.
fn come_finish_and_go(
    ours: &Ours,
    scratch: &Scratch,
    payload: &Payload,
    torrent: &Torrent,
    url: &str,
    [before, after]: [u64; 2],
) {
    let (mut seed, _) = ours.seed(scratch, torrent, payload, &[]);
    ours.wait_for_counts(url, torrent, [1, 0]);
    assert_eq!(ours.counts(url, torrent)[2], before, "a seed has completed nothing");

    let folder = scratch.folder("downloaded");
    let said = ours.download(scratch, torrent, &folder);
    payload.assert_same(&folder);
    // The tracker counts us, too, if its answer to `completed` is there already.
    assert!([1, 2].iter().any(|seeds| said.contains(&format!(", swarm: {seeds} seeders, "))), "{said}");
    assert_eq!(ours.counts(url, torrent), [1, 0, after], "completed, then gone");

    ours.download(scratch, torrent, &folder);
    assert_eq!(ours.counts(url, torrent), [1, 0, after], "it was complete already");

    seed.end();
    assert_eq!(ours.counts(url, torrent)[..2], [0, 0]);
}
