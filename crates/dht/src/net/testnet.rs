//! A DHT of one's own on loopback, for tests: tasks and sockets, no threads.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Builder, Dht, StartError};
use crate::node::Limits;
use torrent_types::HostPort;

/// A network of nodes on loopback that know one another. It ends when it is dropped.
#[derive(Debug)]
pub struct Testnet {
    nodes: Vec<Dht>,
}

impl Testnet {
    /// So many nodes on 127.0.0.1. Each is known to the others, and they are to each, as far as tables go: lookups work at once.
    ///
    /// # Errors
    /// If sockets cannot be bound.
    pub async fn start(nodes: usize) -> Result<Self, StartError> {
        Self::start_at(nodes, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// The same on `::1`.
    ///
    /// # Errors
    /// If sockets cannot be bound.
    pub async fn start_v6(nodes: usize) -> Result<Self, StartError> {
        Self::start_at(nodes, SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).await
    }

    async fn start_at(count: usize, address: SocketAddr) -> Result<Self, StartError> {
        let mut nodes = Vec::<Dht>::with_capacity(count);
        let mut routers = Vec::<HostPort>::new();
        for _ in 0..count {
            let node =
                Dht::builder().bind(address).bootstrap(routers.clone()).limits(Limits::unpaced()).start().await?;
            if routers.len() < 3 {
                routers.extend(node.local_addrs().into_iter().filter_map(host_port));
            }
            nodes.push(node);
        }
        let testnet = Self { nodes };
        for node in testnet.nodes.iter().skip(1) {
            drop(node.ready().await);
        }
        // The first ones came when there was nobody: now they look around, too.
        for node in &testnet.nodes {
            let own = node.nodes().first().map(|status| status.id).unwrap_or_default();
            if let Some(other) = testnet.nodes.last().filter(|_| count > 1) {
                other.local_addrs().into_iter().for_each(|address| node.add_node(address));
            }
            drop(node.find_node(own).await);
        }
        Ok(testnet)
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Dht] {
        &self.nodes
    }

    /// Where to begin: the addresses of some nodes.
    #[must_use]
    pub fn routers(&self) -> Vec<HostPort> {
        self.nodes.iter().take(3).flat_map(Dht::local_addrs).filter_map(host_port).collect()
    }

    /// Sets up another node that begins here: on a loopback address of the same family if none is bound.
    pub fn join(&self) -> Builder {
        Dht::builder().bootstrap(self.routers()).limits(Limits::unpaced())
    }
}

fn host_port(address: SocketAddr) -> Option<HostPort> {
    HostPort::new(&address.ip().to_string(), address.port()).ok()
}
