//! `torrent download` gets the same bytes from everybody, and so does the library, from everybody at once.

use std::{net::SocketAddr, path::Path, process::Command};

use torrent_interop::{Client, Job, Payload, Process, Scratch, Torrent, Tracker, in_sandbox, our_command};

type MakePayload = fn(&Scratch) -> Payload;

/// One after the other: a test each would start 30 swarms on two cores.
fn each(client: Client, how: fn(Client, MakePayload) -> Option<()>) {
    for payload in [Payload::file, Payload::whole_pieces, Payload::folder] {
        // `None`: something is not installed, and that has been said.
        how(client, payload);
    }
}

/// The user names the peer.
mod from_a_peer {
    use super::*;

    #[test]
    fn anacrolix() {
        each(Client::Anacrolix, from_a_peer);
    }

    #[test]
    fn aria2() {
        each(Client::Aria2, from_a_peer);
    }

    #[test]
    fn libtorrent() {
        each(Client::Libtorrent, from_a_peer);
    }

    #[test]
    fn rqbit() {
        each(Client::Rqbit, from_a_peer);
    }

    #[test]
    fn rtorrent() {
        each(Client::Rtorrent, from_a_peer);
    }

    #[test]
    fn transmission() {
        each(Client::Transmission, from_a_peer);
    }
}

/// A tracker names the peer.
mod by_a_tracker {
    use super::*;

    #[test]
    fn anacrolix() {
        each(Client::Anacrolix, by_a_tracker);
    }

    #[test]
    fn aria2() {
        each(Client::Aria2, by_a_tracker);
    }

    #[test]
    fn libtorrent() {
        each(Client::Libtorrent, by_a_tracker);
    }

    #[test]
    fn rqbit() {
        each(Client::Rqbit, by_a_tracker);
    }

    #[test]
    fn rtorrent() {
        each(Client::Rtorrent, by_a_tracker);
    }

    #[test]
    fn transmission() {
        each(Client::Transmission, by_a_tracker);
    }
}

fn from_a_peer(client: Client, payload: MakePayload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = payload(&scratch);
    let torrent = Torrent::create(&scratch, &payload, None)?;
    let (_seed, address) = client.seed(&Job::new(&scratch, "seed", &torrent, payload.folder_path()))?;
    download(&ours, &scratch, &torrent, &payload, &[address]);
    Some(())
}

fn by_a_tracker(client: Client, payload: MakePayload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = payload(&scratch);
    let tracker = Tracker::start(&scratch)?;
    let torrent = Torrent::create(&scratch, &payload, Some(&tracker))?;
    let _seed = client.seed(&Job::new(&scratch, "seed", &torrent, payload.folder_path()))?;
    tracker.wait_for_seeds(torrent.info_hash(), 1);
    download(&ours, &scratch, &torrent, &payload, &[]);
    Some(())
}

fn download(ours: &Path, scratch: &Scratch, torrent: &Torrent, payload: &Payload, peers: &[SocketAddr]) {
    let folder = scratch.folder("downloaded");
    let mut command = Command::new(ours);
    command.arg("download").arg(torrent.path()).arg("-o").arg(&folder);
    command.args(peers.iter().map(|peer| format!("--peer={peer}")));
    let mut process = Process::start("torrent", command, scratch.path());
    assert_eq!(process.wait().code(), Some(0));
    assert_eq!(process.stdout(), "");
    payload.assert_same(&folder);
}

/// One torrent, five seeds of five makes, connections encrypted or not.
mod by_the_library {
    use torrent_client::{AddTorrent, Client as Library, Config, Encryption, Listen, Metainfo, Phase};
    use torrent_interop::PATIENCE;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn in_plain() {
        from_everybody(Encryption::Disabled).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn encrypted() {
        from_everybody(Encryption::Required).await;
    }

    async fn from_everybody(encryption: Encryption) -> Option<()> {
        let scratch = in_sandbox().then(Scratch::new)?;
        let payload = Payload::folder(&scratch);
        let torrent = Torrent::create(&scratch, &payload, None)?;
        let seed =
            |client: Client| client.seed(&Job::new(&scratch, &client.to_string(), &torrent, payload.folder_path()));
        let (_seeds, addresses): (Vec<_>, Vec<_>) = Client::ALL.into_iter().filter_map(seed).unzip();

        let config = Config::default().listen(Listen::Nowhere).encryption(encryption);
        let library = Library::start(config).await.expect("the library starts");
        let metainfo = std::fs::read(torrent.path()).expect("the torrent file");
        let metainfo = Metainfo::from_bytes(metainfo).expect("a torrent of libtorrent");
        let folder = scratch.folder("downloaded");
        let added = library.add(AddTorrent::new(metainfo, &folder).peers(addresses)).expect("a torrent to add");
        added.download_all();
        let phase = tokio::time::timeout(PATIENCE, added.wait_for(|phase| phase == Phase::Seeding)).await;
        assert_eq!(phase, Ok(Phase::Seeding), "{:?}", added.stats());
        library.stop().await;
        payload.assert_same(&folder);
        Some(())
    }
}
