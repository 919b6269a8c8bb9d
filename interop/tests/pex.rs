//! Peers learn of peers from peers (BEP 11): of a seed that exchanges nothing itself, so that nothing else leads to it.
//! A message comes once a minute, Transmission's every 90 s: the cases wait for them at the same time.

use std::{net::SocketAddr, process::Command, thread, time::Duration};

use torrent_client::{AddTorrent, Client as Library, Config, Listen, Metainfo};
use torrent_interop::{
    ADDRESS, Client, Job, Manner, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox, our_command,
    until_after,
};

/// Two messages, and then some.
const MINUTES: Duration = Duration::from_secs(240);

type Case = fn(Client) -> Option<()>;

#[test]
fn seeds_become_known_in_both_directions() {
    let cases = [
        ("we learn from libtorrent", Client::Libtorrent, we_learn_from as Case),
        ("we learn from Transmission", Client::Transmission, we_learn_from),
        ("libtorrent learns from us", Client::Libtorrent, learns_from_us),
        ("Transmission learns from us", Client::Transmission, learns_from_us),
    ];
    let threads = cases.map(|(name, client, case)| (name, thread::spawn(move || case(client))));
    let failed: Vec<_> =
        threads.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// One that we name gets its content from the seed, so slowly that we would wait for an hour.
fn we_learn_from(client: Client) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let tracker = if client.needs_tracker() { Some(Tracker::start(&scratch)?) } else { None };
    let payload = Payload::file(&scratch);
    let torrent = Torrent::create(&scratch, &payload, tracker.as_ref())?;
    let (_seed, seed) = Client::Libtorrent.seed(&Job::new(&scratch, "seed", &torrent, payload.folder_path()))?;
    if let Some(tracker) = &tracker {
        tracker.wait_for_seeds(torrent.info_hash(), 1);
    }
    let manner = Manner { pex: true, download_limit: Some(1000), ..Manner::default() };
    let (between, peers) = (scratch.folder("between"), [seed]);
    let (_between, peer) =
        client.seed(&Job { manner, peers: &peers, ..Job::new(&scratch, "slow", &torrent, &between) })?;

    let folder = scratch.folder("downloaded");
    let mut command = Command::new(ours);
    command.arg("download").arg(torrent.without_tracker()).arg("-o").arg(&folder).arg(format!("--peer={peer}"));
    let mut process = Process::start("torrent", command, scratch.path());
    let ended = until_after(MINUTES, || (!process.is_running()).then_some(()));
    assert!(ended.is_some(), "{client} did not tell us of {seed}");
    assert_eq!(process.wait().code(), Some(0));
    payload.assert_same(&folder);
    Some(())
}

/// One of ours that wants nothing stands between the seed and the client.
fn learns_from_us(client: Client) -> Option<()> {
    let (scratch, hidden) = in_sandbox().then(|| (Scratch::new(), Scratch::new()))?;
    let tracker = if client.needs_tracker() { Some(Tracker::start(&scratch)?) } else { None };
    let payload = Payload::file(&scratch);
    let torrent = Torrent::create(&scratch, &payload, tracker.as_ref())?;
    // The seed announces itself to nobody.
    let unannounced = Torrent::create(&hidden, &payload, None)?;
    let between = SocketAddr::from((ADDRESS, free_port()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (library, added) = runtime.block_on(async {
        let library = Library::start(Config::default().listen(Listen::At(between))).await.expect("the library starts");
        let metainfo = std::fs::read(unannounced.path()).expect("the torrent file");
        let metainfo = Metainfo::from_bytes(metainfo).expect("a torrent of libtorrent");
        let added = library.add(AddTorrent::new(metainfo, scratch.folder("between")));
        (library, added.expect("a torrent to add"))
    });
    // A torrent that wants nothing dials nobody, so the seed dials it.
    let toward = [between];
    let job = Job { peers: &toward, ..Job::new(&scratch, "seed", &unannounced, payload.folder_path()) };
    let _seed = Client::Libtorrent.seed(&job)?;
    if let Some(tracker) = &tracker {
        tracker.announce_seed(torrent.info_hash(), between.port());
    }

    let (folder, peers) = (scratch.folder("downloaded"), [between]);
    let manner = Manner { pex: true, ..Manner::default() };
    let leech = client.leech(&Job { manner, peers: &peers, ..Job::new(&scratch, "leech", &torrent, &folder) })?;
    leech.wait_for(MINUTES);
    assert_eq!(added.have().count_ones(), 0, "it was not us who gave it");
    runtime.block_on(library.stop());
    client.assert_downloaded(&payload, &folder);
    Some(())
}
