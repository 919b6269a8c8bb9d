//! Peers learn of peers from peers (BEP 11): of a seed that exchanges nothing itself, so that nothing else leads to it. A
//! message comes once a minute.

use std::{path::Path, process::Command, time::Duration};

use torrent_interop::{
    Client, Job, Manner, Payload, Process, Scratch, Torrent, free_port, in_sandbox, our_command, until_after,
};

/// Two messages, and then some.
const MINUTES: Duration = Duration::from_secs(200);

/// One that we name gets its content from the seed, so slowly that we would wait for an hour.
#[test]
fn we_learn_a_seed_from_libtorrent() {
    learn_from_libtorrent();
}

fn learn_from_libtorrent() -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = Payload::file(&scratch);
    let torrent = Torrent::create(&scratch, &payload, None)?;
    let (_seed, seed) = Client::Libtorrent.seed(&job(&scratch, "seed", &torrent, payload.folder_path()))?;
    let slow = Manner { pex: true, download_limit: Some(1000), ..Manner::default() };
    let between = scratch.folder("between");
    let peers = [seed];
    let (_between, peer) = Client::Libtorrent.seed(&Job {
        manner: slow,
        peers: &peers,
        ..job(&scratch, "libtorrent", &torrent, &between)
    })?;

    let folder = scratch.folder("downloaded");
    let mut command = Command::new(ours);
    command.arg("download").arg(torrent.path()).arg("-o").arg(&folder).arg(format!("--peer={peer}"));
    let mut process = Process::start("torrent", command, scratch.path());
    let ended = until_after(MINUTES, || (!process.is_running()).then_some(()));
    assert!(ended.is_some(), "nobody told us of {seed}");
    assert_eq!(process.wait().code(), Some(0));
    payload.assert_same(&folder);
    Some(())
}

fn job<'a>(scratch: &Scratch, home: &str, torrent: &'a Torrent, folder: &'a Path) -> Job<'a> {
    Job { torrent, folder, home: scratch.folder(home), port: free_port(), peers: &[], manner: Manner::default() }
}

/// One of ours that wants nothing stands between the seed and libtorrent.
mod libtorrent_learns {
    use std::net::SocketAddr;

    use torrent_client::{AddTorrent, Client as Library, Config, Listen, Metainfo};
    use torrent_interop::ADDRESS;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_seed_from_us() {
        learn_from_us().await;
    }

    async fn learn_from_us() -> Option<()> {
        let scratch = in_sandbox().then(Scratch::new)?;
        let payload = Payload::file(&scratch);
        let torrent = Torrent::create(&scratch, &payload, None)?;
        let (_seed, seed) = Client::Libtorrent.seed(&job(&scratch, "seed", &torrent, payload.folder_path()))?;

        let between = SocketAddr::from((ADDRESS, free_port()));
        let library = Library::start(Config::default().listen(Listen::At(between))).await.expect("the library starts");
        let metainfo = std::fs::read(torrent.path()).expect("the torrent file");
        let metainfo = Metainfo::from_bytes(metainfo).expect("a torrent of libtorrent");
        let added = library.add(AddTorrent::new(metainfo, scratch.folder("between")).peers([seed]));
        let added = added.expect("a torrent to add");

        let (folder, peers) = (scratch.folder("downloaded"), [between]);
        let manner = Manner { pex: true, ..Manner::default() };
        let leech =
            Client::Libtorrent.leech(&Job { manner, peers: &peers, ..job(&scratch, "leech", &torrent, &folder) })?;
        let ended = tokio::task::spawn_blocking(|| leech.wait_for(MINUTES)).await;
        ended.unwrap_or_else(|_| panic!("nobody told libtorrent of {seed}: {:?}", added.peers()));
        assert_eq!(added.have().count_ones(), 0, "it was not us who gave it");
        library.stop().await;
        payload.assert_same(&folder);
        Some(())
    }
}
