//! `torrent seed` serves everybody at once.

use std::{net::SocketAddr, process::Command};

use torrent_interop::{
    ADDRESS, Client, Job, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox, our_command,
};

#[test]
fn who_names_us_gets_a_file() {
    to(&[Client::Anacrolix, Client::Libtorrent, Client::Rqbit], Payload::file);
}

#[test]
fn who_names_us_gets_a_folder() {
    to(&[Client::Anacrolix, Client::Libtorrent, Client::Rqbit], Payload::folder);
}

#[test]
fn everybody_gets_a_file() {
    to(&Client::ALL, Payload::file);
}

#[test]
fn everybody_gets_a_folder() {
    to(&Client::ALL, Payload::folder);
}

fn to(clients: &[Client], payload: fn(&Scratch) -> Payload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = payload(&scratch);
    let by_tracker = clients.iter().any(|client| client.needs_tracker());
    let tracker = if by_tracker { Some(Tracker::start(&scratch)?) } else { None };
    let torrent = Torrent::create(&scratch, &payload, tracker.as_ref())?;
    let peer = SocketAddr::from((ADDRESS, free_port()));
    let mut command = Command::new(ours);
    command.arg("seed").arg(torrent.path()).arg(payload.folder_path()).arg(format!("--port={}", peer.port()));
    let mut seed = Process::start("torrent", command, scratch.path());
    seed.wait_for_listener(peer);
    if let Some(tracker) = &tracker {
        tracker.wait_for_seeds(torrent.info_hash(), 1);
    }

    let mut leeches = Vec::new();
    for &client in clients {
        let (folder, peers) = (scratch.folder(&format!("to {client}")), [peer]);
        let job = Job { peers: &peers, ..Job::new(&scratch, &client.to_string(), &torrent, &folder) };
        leeches.extend(client.leech(&job).map(|leech| (client, leech, folder)));
    }
    for (client, leech, folder) in leeches {
        leech.wait();
        client.assert_downloaded(&payload, &folder);
    }
    assert!(seed.is_running(), "it goes on serving");
    Some(())
}
