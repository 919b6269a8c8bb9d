//! `torrent download` gets the same bytes from everybody.

use std::{net::SocketAddr, path::Path, process::Command};

use torrent_interop::{Client, Job, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox, our_command};

type MakePayload = fn(&Scratch) -> Payload;

/// One after the other: a test each would start 30 swarms on two cores.
const PAYLOADS: [MakePayload; 3] = [Payload::file, Payload::whole_pieces, Payload::folder];

#[test]
fn from_anacrolix() {
    from(Client::Anacrolix);
}

#[test]
fn from_aria2() {
    from(Client::Aria2);
}

#[test]
fn from_libtorrent() {
    from(Client::Libtorrent);
}

#[test]
fn from_rqbit() {
    from(Client::Rqbit);
}

#[test]
fn from_transmission() {
    from(Client::Transmission);
}

fn from(client: Client) {
    for payload in PAYLOADS {
        from_a_peer_named_by_the_user(client, payload);
        from_a_peer_named_by_a_tracker(client, payload);
    }
}

fn from_a_peer_named_by_the_user(client: Client, payload: MakePayload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = payload(&scratch);
    let torrent = Torrent::create(&scratch, &payload, None)?;
    let (_seed, address) = client.seed(&seed_job(&scratch, &torrent, &payload))?;
    download(&ours, &scratch, &torrent, &payload, &[address]);
    Some(())
}

fn from_a_peer_named_by_a_tracker(client: Client, payload: MakePayload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = payload(&scratch);
    let tracker = Tracker::start(&scratch)?;
    let torrent = Torrent::create(&scratch, &payload, Some(&tracker))?;
    let _seed = client.seed(&seed_job(&scratch, &torrent, &payload))?;
    tracker.wait_for_seeds(torrent.info_hash(), 1);
    download(&ours, &scratch, &torrent, &payload, &[]);
    Some(())
}

fn seed_job<'a>(scratch: &Scratch, torrent: &'a Torrent, payload: &'a Payload) -> Job<'a> {
    Job { torrent, folder: payload.folder_path(), home: scratch.folder("seed"), port: free_port(), peers: &[] }
}

#[track_caller]
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
