//! `torrent seed` serves everybody at once.

use std::{net::SocketAddr, process::Command};

use torrent_interop::{
    ADDRESS, Client, Job, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox, our_command,
};

#[test]
fn everybody_gets_a_file() {
    to_everybody(Payload::file);
}

#[test]
fn everybody_gets_a_folder() {
    to_everybody(Payload::folder);
}

fn to_everybody(payload: fn(&Scratch) -> Payload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = payload(&scratch);
    let tracker = Tracker::start(&scratch)?;
    let torrent = Torrent::create(&scratch, &payload, Some(&tracker))?;
    let port = free_port();
    let mut command = Command::new(ours);
    command.arg("seed").arg(torrent.path()).arg(payload.folder_path()).arg(format!("--port={port}"));
    let _seed = Process::start("torrent", command, scratch.path());
    tracker.wait_for_seeds(torrent.info_hash(), 1);

    let folders = Client::ALL.map(|client| scratch.folder(&format!("to {client}")));
    let leeches: Vec<_> = Client::ALL
        .iter()
        .zip(&folders)
        .map(|(client, folder)| {
            let peers = &[SocketAddr::from((ADDRESS, port))];
            let home = scratch.folder(&format!("{client}"));
            client.leech(&Job { torrent: &torrent, folder, home, port: free_port(), peers })
        })
        .collect();
    for ((leech, folder), client) in leeches.into_iter().zip(&folders).zip(Client::ALL) {
        if let Some(leech) = leech {
            leech.wait();
            client.assert_downloaded(&payload, folder);
        }
    }
    Some(())
}
