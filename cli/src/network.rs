//! What `download` and `seed` have in common: options of the client, its failures.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use torrent_client::{
    AnnounceTo, Client, Config, Encryption, Error, Listen, StorageError, StorageErrorKind, Torrent, Transports,
};
use torrent_dht::{Dht, Snapshot};
use torrent_types::HostPort;

use crate::{
    commands::dht::EngineName,
    exit::{Code, Failure, OrExit, Outcome},
};

/// Options of everything that talks to peers.
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkOptions {
    /// Connect to this peer; may be given several times. A name that cannot be looked up now is tried again.
    #[arg(long = "peer", value_name = "HOST:PORT")]
    peers: Vec<HostPort>,
    /// Wait for peers on this address and port only [default: all addresses, port 6881 or one of the next]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Wait for peers on this port.
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
    /// What carries connections to peers.
    #[arg(long, value_enum, default_value_t)]
    transport: TransportOption,
    /// Whether connections to peers are encrypted.
    #[arg(long, value_enum, default_value_t)]
    encryption: EncryptionOption,
    /// Ask no trackers and tell them nothing.
    #[arg(long)]
    no_trackers: bool,
    /// Which trackers are told of us.
    #[arg(long, value_enum, value_name = "WHOM", default_value_t)]
    announce_to: AnnounceToOption,
    /// Do not use the DHT.
    #[arg(long, env = "TORRENT_NO_DHT", hide_env = true)]
    no_dht: bool,
    /// Begin to use the DHT with this node, not with the public routers; may be given several times.
    #[arg(long, value_name = "HOST:PORT", value_parser = crate::commands::dht::host_port)]
    dht_bootstrap: Vec<HostPort>,
    /// Which implementation of the DHT to use.
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    dht_engine: EngineName,
    /// Keep what is known of the DHT in this file [default: torrent/dht.state in the cache folder of the user]
    #[arg(long, value_name = "FILE")]
    dht_state: Option<PathBuf>,
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
enum TransportOption {
    /// TCP alone.
    Tcp,
    /// uTP alone: leaves the link to others who want it.
    Utp,
    /// TCP first, and uTP where that does not work.
    #[default]
    Both,
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

/// A client, and what is kept for the next.
pub(crate) struct Session {
    client: Client,
    /// Where to keep what is known of the DHT.
    state: Option<PathBuf>,
}

impl std::ops::Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Session {
    /// Stops the client, and keeps what is known of the DHT.
    pub(crate) async fn stop(&self) {
        self.client.stop().await;
        let (Some(dht), Some(file)) = (self.client.dht(), &self.state) else { return };
        let snapshot = dht.shutdown();
        if snapshot.nodes.iter().all(|node| node.contacts.is_empty()) {
            return;
        }
        let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| snapshot.write(file)) {
            tracing::debug!(file = %file.display(), %error, "the nodes of the DHT are not kept");
        }
    }
}

impl NetworkOptions {
    pub(crate) async fn start_client(&self) -> Outcome<Session> {
        let mut config = Config::default()
            .encryption(match self.encryption {
                EncryptionOption::Disabled => Encryption::Disabled,
                EncryptionOption::Allowed => Encryption::Allowed,
                EncryptionOption::Preferred => Encryption::Preferred,
                EncryptionOption::Required => Encryption::Required,
            })
            .transports(match self.transport {
                TransportOption::Tcp => Transports::Tcp,
                TransportOption::Utp => Transports::Utp,
                TransportOption::Both => Transports::Both,
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
            config = config.listen(Listen::At(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)));
        }
        let mut builder = Client::builder().config(config);
        if !self.no_dht {
            builder = builder.dht(self.dht());
        }
        let client = builder.build().await.or_exit(Code::Network)?;
        let state = if self.no_dht { None } else { self.dht_state_file() };
        Ok(Session { client, state })
    }

    fn dht(&self) -> torrent_dht::Builder {
        let mut builder = Dht::builder().engine(self.dht_engine.into());
        if !self.dht_bootstrap.is_empty() {
            builder = builder.bootstrap(self.dht_bootstrap.iter().cloned());
        }
        if let Some(snapshot) = self.dht_state_file().and_then(|file| Snapshot::read(&file).ok()) {
            builder = builder.snapshot(snapshot);
        }
        builder
    }

    /// A network of one's own is not mixed with the public one: its nodes are kept only where it is asked for.
    fn dht_state_file(&self) -> Option<PathBuf> {
        if self.dht_state.is_some() || !self.dht_bootstrap.is_empty() {
            return self.dht_state.clone();
        }
        let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))?;
        Some(cache.join("torrent/dht.state"))
    }

    pub(crate) fn use_trackers(&self) -> bool {
        !self.no_trackers
    }

    /// The peers that were named.
    pub(crate) fn peers(&self) -> &[HostPort] {
        &self.peers
    }
}

/// The exit code of an error of the client.
pub(crate) fn code_of(error: &Error) -> Code {
    match error {
        Error::Storage(error) => storage_code(error),
        Error::V2Only | Error::Layout(_) | Error::Metadata(_) | Error::WrongMetadata => Code::BadInput,
        Error::Listen { .. } => Code::Network,
        _ => Code::Other,
    }
}

/// An error of the client, with its exit code.
pub(crate) fn client_failure(error: Error) -> Failure {
    Failure::new(code_of(&error), error)
}

/// Full disks are told apart.
fn storage_code(error: &StorageError) -> Code {
    match error.kind() {
        StorageErrorKind::Full => Code::DiskFull,
        _ => Code::Disk,
    }
}

/// What keeps a torrent from going on, after it has stopped or storage has failed.
pub(crate) fn failure_of(torrent: &Torrent) -> Failure {
    match torrent.failure() {
        Some(error) => Failure::message(code_of(&error), with_sources(&*error)),
        None => Failure::message(Code::Other, "stopped"),
    }
}

/// An error and what caused it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// What is on disk of a torrent, for people.
pub(crate) fn what_is_there(torrent: &Torrent) -> String {
    let (have, stats) = (torrent.have(), torrent.stats());
    if have.is_empty() && stats.total == 0 {
        return "nothing".to_owned();
    }
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
