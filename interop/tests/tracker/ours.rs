//! Everybody announces to `torrent tracker`, over HTTP and over UDP, and everybody finds everybody by it.

use torrent_interop::{Client, Job, Manner, Payload, Scratch, Torrent};

use super::{Ours, Transport};

mod a_seed_is_listed_and_found {
    use super::*;

    #[test]
    fn anacrolix() {
        over_both(Client::Anacrolix);
    }

    #[test]
    fn aria2() {
        over_both(Client::Aria2);
    }

    #[test]
    fn libtorrent() {
        over_both(Client::Libtorrent);
    }

    #[test]
    fn rqbit() {
        over_both(Client::Rqbit);
    }

    #[test]
    fn transmission() {
        over_both(Client::Transmission);
    }

    /// At the same time: Transmission lets a new peer wait for 10 s. `None`: something is not installed, and that has been said.
    fn over_both(client: Client) {
        std::thread::scope(|scope| {
            for transport in Transport::BOTH {
                scope.spawn(move || seeds(client, transport));
            }
        });
    }
}

/// Two that have nothing of ours but the tracker.
mod meet {
    use super::*;

    #[test]
    fn libtorrent_and_aria2_over_http() {
        meet(Client::Libtorrent, Client::Aria2, Transport::Http);
    }

    #[test]
    fn transmission_and_libtorrent_over_udp() {
        meet(Client::Transmission, Client::Libtorrent, Transport::Udp);
    }

    #[test]
    fn rqbit_and_aria2_over_udp() {
        meet(Client::Rqbit, Client::Aria2, Transport::Udp);
    }

    #[test]
    fn anacrolix_and_rqbit_over_http() {
        meet(Client::Anacrolix, Client::Rqbit, Transport::Http);
    }
}

fn seeds(client: Client, transport: Transport) -> Option<()> {
    let setting = Setting::new(transport)?;
    let (_seed, address) = client.seed(&setting.job("seed", setting.payload.folder_path()))?;
    setting.ours.wait_for_counts(&setting.url, &setting.torrent, [1, 0]);
    assert_eq!(setting.ours.peers(&setting.url, &setting.torrent), [address.to_string()], "{client} {transport:?}");

    let folder = setting.scratch.folder("downloaded");
    setting.ours.download(&setting.scratch, &setting.torrent, &folder);
    setting.payload.assert_same(&folder);
    // It has said that it left.
    assert_eq!(setting.ours.counts(&setting.url, &setting.torrent)[..2], [1, 0]);
    Some(())
}

fn meet(from: Client, to: Client, transport: Transport) -> Option<()> {
    let setting = Setting::new(transport)?;
    let _seed = from.seed(&setting.job("seed", setting.payload.folder_path()))?;
    setting.ours.wait_for_counts(&setting.url, &setting.torrent, [1, 0]);
    let folder = setting.scratch.folder("downloaded");
    to.leech(&setting.job("leech", &folder))?.wait();
    to.assert_downloaded(&setting.payload, &folder);
    Some(())
}

/// `torrent tracker`, and a torrent that it serves over one transport.
struct Setting {
    scratch: Scratch,
    ours: Ours,
    payload: Payload,
    torrent: Torrent,
    transport: Transport,
    url: String,
    _tracker: torrent_interop::Process,
}

impl Setting {
    fn new(transport: Transport) -> Option<Self> {
        let (scratch, ours) = (Scratch::new(), Ours::find()?);
        let (tracker, address) = ours.tracker(&scratch);
        let (payload, url) = (Payload::file(&scratch), transport.url(address));
        let torrent = Torrent::announcing(&scratch, &payload, std::slice::from_ref(&url))?;
        Some(Self { scratch, ours, payload, torrent, transport, url, _tracker: tracker })
    }

    fn job<'a>(&'a self, home: &str, folder: &'a std::path::Path) -> Job<'a> {
        let manner = Manner { udp_tracker: self.transport == Transport::Udp, ..Manner::default() };
        Job { manner, ..Job::new(&self.scratch, home, &self.torrent, folder) }
    }
}
