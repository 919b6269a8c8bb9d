//! What `download` and `seed` have in common: options of the client, its failures.

use std::net::SocketAddr;

use anyhow::Context;
use torrent_client::{AnnounceTo, Client, Config, Encryption, Error, Listen, Metainfo, Torrent};

use crate::exit::{Code, Failure, OrExit, Outcome};

/// Options of everything that talks to peers.
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkOptions {
    /// Connect to this peer; may be given several times.
    #[arg(long = "peer", value_name = "HOST:PORT")]
    peers: Vec<String>,
    /// Wait for peers on this address and port only [default: all addresses, port 6881 or one of the next]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Wait for peers on this port.
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
    /// Whether connections to peers are encrypted.
    #[arg(long, value_enum, default_value_t)]
    encryption: EncryptionOption,
    /// Ask no trackers and tell them nothing.
    #[arg(long)]
    no_trackers: bool,
    /// Which trackers are told of us.
    #[arg(long, value_enum, value_name = "WHOM", default_value_t)]
    announce_to: AnnounceToOption,
    /// Memory for pieces in flight, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 16)]
    memory: usize,
    /// Connections per torrent.
    #[arg(long, value_name = "N", default_value_t = 50)]
    max_peers: usize,
    /// Peers of a torrent that may download from us at a time.
    #[arg(long, value_name = "N", default_value_t = 8)]
    upload_slots: usize,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum EncryptionOption {
    /// Plain connections only.
    Disabled,
    /// Plain first.
    Allowed,
    /// Encrypted first.
    #[default]
    Preferred,
    /// Encrypted connections only.
    Required,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum AnnounceToOption {
    /// The first that answers, tier by tier; the others are there for when it does not.
    #[default]
    First,
    /// The first that answers of each tier.
    Tiers,
    /// All.
    All,
}

impl NetworkOptions {
    pub(crate) async fn start_client(&self) -> Outcome<Client> {
        let mut config = Config::default()
            .encryption(match self.encryption {
                EncryptionOption::Disabled => Encryption::Disabled,
                EncryptionOption::Allowed => Encryption::Allowed,
                EncryptionOption::Preferred => Encryption::Preferred,
                EncryptionOption::Required => Encryption::Required,
            })
            .announce_to(match self.announce_to {
                AnnounceToOption::First => AnnounceTo::FirstAnswer,
                AnnounceToOption::Tiers => AnnounceTo::AllTiers,
                AnnounceToOption::All => AnnounceTo::AllTrackers,
            })
            .memory(self.memory << 20)
            .max_peers(self.max_peers)
            .upload_slots(self.upload_slots);
        if let Some(address) = self.listen {
            config = config.listen(Listen::At(address));
        }
        if let Some(port) = self.port {
            config = config.listen(Listen::At(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port)));
        }
        Client::start(config).await.or_exit(Code::Network)
    }

    pub(crate) fn use_trackers(&self) -> bool {
        !self.no_trackers
    }

    /// The addresses of the peers that were named.
    pub(crate) async fn resolve_peers(&self) -> Outcome<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        for peer in &self.peers {
            let found = tokio::net::lookup_host(peer).await;
            let found = found.with_context(|| format!("--peer {peer}: not HOST:PORT, or no such host"));
            addresses.extend(found.or_exit(Code::Network)?);
        }
        Ok(addresses)
    }
}

/// The exit code of an error of the client.
pub(crate) fn client_failure(error: Error) -> Failure {
    let code = match &error {
        Error::Storage(error) => storage_code(error),
        Error::V2Only | Error::Layout(_) => Code::BadInput,
        Error::Listen { .. } => Code::Network,
        _ => Code::Other,
    };
    Failure::new(code, error)
}

/// Full disks are told apart.
pub(crate) fn storage_code(error: &torrent_client::StorageError) -> Code {
    if error.kind() == torrent_client::StorageErrorKind::Full { Code::DiskFull } else { Code::Disk }
}

/// What to call a torrent in messages.
pub(crate) fn name_of(metainfo: &Metainfo) -> String {
    metainfo.info().name().to_owned()
}

/// Waits for a storage failure, and says what it was. For ever, if there is none.
pub(crate) async fn storage_failed(mut events: tokio::sync::broadcast::Receiver<torrent_client::Event>) -> Failure {
    use tokio::sync::broadcast::error::RecvError;
    use torrent_client::Event;
    loop {
        match events.recv().await {
            Ok(Event::StorageFailed(error)) => {
                return Failure::new(storage_code(&error), error);
            }
            Err(RecvError::Closed) => std::future::pending().await,
            _ => {}
        }
    }
}

/// What is on disk of a torrent, for people.
pub(crate) fn what_is_there(torrent: &Torrent) -> String {
    let (have, stats) = (torrent.have(), torrent.stats());
    format!(
        "{} of {} pieces, {} of {}",
        have.count_ones(),
        have.len(),
        crate::units::size(stats.verified),
        crate::units::size(stats.total)
    )
}

/// What trackers say of the swarm, for people, with a comma in front; nothing, if they say nothing.
pub(crate) fn swarm_size(torrent: &Torrent) -> String {
    let size = torrent.swarm_size();
    let count = |number: Option<u32>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    match (size.seeders, size.leechers) {
        (None, None) => String::new(),
        (seeders, leechers) => format!(", swarm: {} seeders, {} leechers", count(seeders), count(leechers)),
    }
}
