//! `torrent dht`: the DHT by hand.

mod answers;
mod crawl;
mod item;
mod node;
mod peers;

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use torrent_dht::{Dht, Engine, Id, LookupError, Role, Snapshot};
use torrent_types::HostPort;

use crate::{
    exit::{Code, Failure, OrExit as _, Outcome},
    output,
};

const EXAMPLES: &str = "\
Examples:
  torrent dht get-peers 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7
  torrent dht announce --port 6881 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7
  torrent dht ping router.bittorrent.com:6881
  torrent dht put 'hello'
  torrent dht node --state dht.state

Answers are printed as they come, one a line; with --json one JSON value a line. A lookup that no node answers ends with exit \
code 8. With --state the next command starts from the nodes that this one found, which is faster than the public routers.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DhtCommand {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the peers of a torrent.
    GetPeers(peers::GetPeers),
    /// Announce a torrent, and print its peers.
    Announce(peers::Announce),
    /// Ask nodes whether they are there.
    Ping(answers::Ping),
    /// Print the nodes closest to an id.
    FindNode(answers::FindNode),
    /// Print info hashes that nodes have peers of: BEP 51.
    Sample(crawl::Sample),
    /// Print a value: BEP 44, BEP 46.
    Get(item::Get),
    /// Store a value: BEP 44, BEP 46.
    Put(item::Put),
    /// Run a node until interrupted.
    Node(node::Run),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Begin with this node; may be given several times. The public routers are not asked then.
    #[arg(long, global = true, value_name = "HOST:PORT", value_parser = host_port)]
    bootstrap: Vec<HostPort>,
    /// Do not ask the public routers.
    #[arg(long, global = true)]
    no_routers: bool,
    /// Where to listen; may be given several times. Default: any port, over IPv4 and IPv6.
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Vec<SocketAddr>,
    /// Read known nodes from this file, and write them to it at the end.
    #[arg(long, global = true, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Do not answer the queries of others. All commands but `node` are so: they end soon.
    #[arg(long, global = true)]
    read_only: bool,
    /// Which implementation to use.
    #[arg(long, global = true, value_enum, default_value_t)]
    engine: EngineName,
    /// Give up finding the first node after this many seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Print JSON, one value a line.
    #[arg(long, global = true)]
    json: bool,
}

/// The implementations of the DHT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineName {
    /// Our own.
    #[default]
    Native,
    /// The `mainline` crate: IPv4 only; peers, and values that are strings.
    #[cfg(feature = "mainline")]
    Mainline,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Native => Self::Native,
            #[cfg(feature = "mainline")]
            EngineName::Mainline => Self::Mainline,
        }
    }
}

/// A host and a port, as `--bootstrap` has them.
pub(crate) fn host_port(text: &str) -> Result<HostPort, torrent_types::HostPortError> {
    HostPort::parse_or(text, None)
}

impl DhtCommand {
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        let Self { command, options } = self;
        let role = match command {
            Command::Node(_) if !options.read_only => Role::Server,
            _ => Role::ReadOnly,
        };
        let session = Session { dht: options.start(role).await?, json: options.json, quiet, timeout: options.timeout };
        let outcome = match command {
            Command::GetPeers(command) => command.run(&session).await,
            Command::Announce(command) => command.run(&session).await,
            Command::Ping(command) => command.run(&session).await,
            Command::FindNode(command) => command.run(&session).await,
            Command::Sample(command) => command.run(&session).await,
            Command::Get(command) => command.run(&session).await,
            Command::Put(command) => command.run(&session).await,
            Command::Node(command) => command.run(&session).await,
        };
        let snapshot = session.dht.shutdown();
        if let Some(path) = &options.state
            && snapshot.nodes.iter().any(|node| !node.contacts.is_empty())
        {
            snapshot.write(path).map_err(|error| Failure::io(path.display(), &error))?;
        }
        outcome
    }
}

impl Options {
    async fn start(&self, role: Role) -> Outcome<Dht> {
        let mut builder = Dht::builder().role(role).engine(self.engine.into());
        for address in &self.listen {
            builder = builder.bind(*address);
        }
        if self.no_routers || !self.bootstrap.is_empty() {
            builder = builder.bootstrap(self.bootstrap.iter().cloned());
        }
        if let Some(path) = &self.state {
            match Snapshot::read(path) {
                Ok(snapshot) => builder = builder.snapshot(snapshot),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::io(path.display(), &error)),
            }
        }
        builder.start().await.or_exit(Code::Network)
    }
}

/// A DHT, and how to print.
struct Session {
    dht: Dht,
    json: bool,
    quiet: bool,
    timeout: u64,
}

impl Session {
    /// Waits for the first nodes.
    async fn ready(&self) -> Outcome {
        match tokio::time::timeout(Duration::from_secs(self.timeout), self.dht.ready()).await {
            Ok(result) => result.map_err(failure),
            Err(_) => Err(failure(LookupError::NoNodes)),
        }
    }

    /// One answer: a line of text, or of JSON.
    fn print(&self, text: impl std::fmt::Display, json: &impl serde::Serialize) -> Outcome {
        if self.json {
            let line = serde_json::to_string(json).or_exit(Code::Other)?;
            return output::line(line);
        }
        output::line(text)
    }

    fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet && !self.json {
            output::note(text);
        }
    }

    /// Resolves a node of one of our families.
    async fn resolve(&self, node: &HostPort) -> Outcome<SocketAddr> {
        if let Some(address) = node.socket_addr() {
            return Ok(address);
        }
        let found = tokio::net::lookup_host((node.host(), node.port())).await;
        let mut found = found.map_err(|error| Failure::message(Code::Network, format!("{node}: {error}")))?;
        let v4 = self.dht.local_addrs().iter().any(SocketAddr::is_ipv4);
        let fits = |address: &SocketAddr| address.is_ipv4() == v4;
        found.find(fits).ok_or_else(|| Failure::message(Code::Network, format!("{node}: no address")))
    }
}

fn failure(error: LookupError) -> Failure {
    let code = if error == LookupError::Unsupported { Code::Usage } else { Code::Network };
    Failure::new(code, error)
}

/// An id, or an info hash of either version.
fn id(text: &str) -> Result<Id, torrent_metainfo::MagnetError> {
    text.parse::<super::target::Hash>().map(|hash| Id::from(hash.0))
}
