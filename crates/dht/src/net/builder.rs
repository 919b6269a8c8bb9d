//! How a DHT is set up and started.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use rand::{TryRng as _, rngs::SysRng};
use torrent_types::HostPort;

use super::{
    Dht,
    socket::{self, DatagramSocket},
    task::{self, Shared},
};
use crate::{
    krpc::{Query, Role},
    node::{Config, Family, Limits, Node, Policy, Verdict},
    snapshot::Snapshot,
};

/// Nodes of the public network that help others to find their first ones. Hosts and ports.
pub const PUBLIC_ROUTERS: [(&str, u16); 4] = [
    ("dht.libtorrent.org", 25401),
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("router.utorrent.com", 6881),
];

/// Which implementation runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// This crate's: both families, the answering side, and everything else that [`Dht`] offers.
    #[default]
    Native,
    /// The `mainline` crate: IPv4, read-only, with a socket and a thread of its own. Finds peers, announces, and stores and finds
    /// byte strings; everything else is [`Unsupported`](super::LookupError::Unsupported).
    #[cfg(feature = "mainline")]
    Mainline,
}

/// Sets up a [`Dht`].
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    sockets: Vec<SocketOrAddress>,
    pub(crate) routers: Option<Vec<HostPort>>,
    pub(crate) snapshot: Snapshot,
    role: Role,
    external: Vec<IpAddr>,
    pub(crate) limits: Limits,
    policy: Option<SharedPolicy>,
    engine: Engine,
}

#[derive(Debug)]
enum SocketOrAddress {
    Address(SocketAddr),
    Socket(Arc<dyn DatagramSocket>),
}

/// A DHT could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot bind {0}")]
    Bind(SocketAddr, #[source] io::Error),
    /// A socket does not say where it is bound, or the system gives no random bytes.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Builder {
    /// Binds an address, with a node of its own; may be called several times. BEP 45: each address has its own id, answers from
    /// where it was asked and announces for itself. Without an address or a socket, any port of both families is bound.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.sockets.push(SocketOrAddress::Address(address));
        self
    }

    /// Uses a socket that is there.
    pub fn socket(mut self, socket: impl DatagramSocket) -> Self {
        self.sockets.push(SocketOrAddress::Socket(Arc::new(socket)));
        self
    }

    /// Nodes to begin with, in place of [`PUBLIC_ROUTERS`]; none: only those of the snapshot and of
    /// [`add_node`](Dht::add_node).
    pub fn bootstrap(mut self, routers: impl IntoIterator<Item = HostPort>) -> Self {
        self.routers = Some(routers.into_iter().collect());
        self
    }

    /// What an earlier life knew: [`Dht::snapshot`].
    pub fn snapshot(mut self, saved: Snapshot) -> Self {
        self.snapshot = saved;
        self
    }

    /// Whether it answers queries. BEP 43. Default: yes.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The address by which others see it; otherwise it is learned. One for each family. BEP 42.
    pub fn public_ip(mut self, ip: IpAddr) -> Self {
        self.external.push(ip);
        self
    }

    /// The bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A say over queries and contacts.
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policy = Some(SharedPolicy(Arc::new(Mutex::new(policy))));
        self
    }

    /// Which implementation runs.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Binds the sockets and starts the task. Needs a tokio runtime. Routers are resolved meanwhile: see [`Dht::ready`].
    ///
    /// # Errors
    /// If an address cannot be bound.
    pub async fn start(self) -> Result<Dht, StartError> {
        match self.engine {
            Engine::Native => self.start_native(),
            #[cfg(feature = "mainline")]
            Engine::Mainline => crate::mainline::start(&self).await,
        }
    }

    fn start_native(self) -> Result<Dht, StartError> {
        let sockets = self.bound()?;
        let mut saved = self.snapshot.nodes;
        let mut nodes = Vec::new();
        for socket in sockets {
            let family = Family::of(socket.local_addr()?);
            let snapshot = saved.iter().position(|saved| saved.family == family).map(|index| saved.remove(index));
            let external = self.external.iter().copied().find(|ip| ip.is_ipv4() == (family == Family::V4));
            let mut config = Config {
                role: self.role,
                routers: None,
                snapshot,
                external,
                limits: self.limits.clone(),
                ..Config::new(family)
            };
            if let Some(policy) = &self.policy {
                config.policy = Box::new(policy.clone());
            }
            let mut seed = [0; 32];
            SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
            nodes.push((Node::new(task::now(), seed, config), socket));
        }
        let shared = Shared::new(nodes);
        tokio::spawn(task::Driver::new(shared.clone()));
        let routers = self.routers.unwrap_or_else(public_routers);
        task::bring_routers(&shared, routers);
        Ok(Dht::native(shared))
    }

    /// The first IPv4 address that is to be bound.
    #[cfg(feature = "mainline")]
    pub(crate) fn first_v4(&self) -> (Ipv4Addr, u16) {
        let first = self.sockets.iter().find_map(|socket| match socket {
            SocketOrAddress::Address(SocketAddr::V4(address)) => Some((*address.ip(), address.port())),
            _ => None,
        });
        first.unwrap_or((Ipv4Addr::UNSPECIFIED, 0))
    }

    fn bound(&self) -> Result<Vec<Arc<dyn DatagramSocket>>, StartError> {
        let mut sockets = Vec::<Arc<dyn DatagramSocket>>::new();
        for socket in &self.sockets {
            sockets.push(match socket {
                SocketOrAddress::Socket(socket) => socket.clone(),
                SocketOrAddress::Address(address) => {
                    Arc::new(socket::bind(*address).map_err(|error| StartError::Bind(*address, error))?)
                }
            });
        }
        if sockets.is_empty() {
            let (v4, v6) = (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
            let bound = socket::bind(v4).map_err(|error| StartError::Bind(v4, error))?;
            let port = bound.local_addr()?.port();
            sockets.push(Arc::new(bound));
            // Hosts without IPv6 are many, and the same port may be taken.
            let same = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            if let Ok(bound) = socket::bind(same).or_else(|_| socket::bind(v6)) {
                sockets.push(Arc::new(bound));
            }
        }
        Ok(sockets)
    }
}

/// [`PUBLIC_ROUTERS`] as [`Builder::bootstrap`] takes them.
pub(crate) fn public_routers() -> Vec<HostPort> {
    PUBLIC_ROUTERS.iter().filter_map(|(host, port)| HostPort::new(host, *port).ok()).collect()
}

/// One policy for several nodes.
#[derive(Clone)]
struct SharedPolicy(Arc<Mutex<dyn Policy>>);

impl Policy for SharedPolicy {
    fn on_query(&mut self, from: SocketAddr, query: &Query<'_>) -> Verdict {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).on_query(from, query)
    }

    fn may_contact(&mut self, address: SocketAddr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).may_contact(address)
    }
}

impl fmt::Debug for SharedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fmt(f)
    }
}
