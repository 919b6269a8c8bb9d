//! The ports on which peers reach us: one number for TCP and for UDP, IPv4 and IPv6. In: [`Listen`] and [`Transports`]. Out: sockets
//! that are bound. Never: who speaks on them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;
use torrent_utp::UdpPort;

use super::{bind, tcp};
use crate::{Error, Listen, config::Transports};

/// If the system chooses a TCP port whose UDP port is taken, it may choose again so often.
const ATTEMPTS: usize = 16;

/// Bound sockets.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    pub(crate) tcp: Option<TcpListener>,
    pub(crate) udp: Vec<UdpPort>,
    /// The number, 0 if peers cannot reach us.
    pub(crate) number: u16,
}

impl Ports {
    /// Binds what `transports` need where `listen` says. With [`Listen::Nowhere`] UDP is bound all the same, as calls need a port too.
    pub(crate) fn bind(listen: Listen, transports: Transports) -> Result<Self, Error> {
        match bind::bind(listen, |address| open(address, transports))? {
            Some(ports) => Ok(ports),
            None if transports.utp() => {
                let udp = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
                Ok(Self {
                    udp: udp.into_iter().filter_map(|ip| udp_port((ip, 0).into()).ok()).collect(),
                    ..Self::default()
                })
            }
            None => Ok(Self::default()),
        }
    }
}

fn open(address: SocketAddr, transports: Transports) -> io::Result<Ports> {
    let mut result = try_open(address, transports);
    for _ in 1..ATTEMPTS {
        match &result {
            Err(error) if address.port() == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            _ => break,
        }
        result = try_open(address, transports);
    }
    result
}

fn try_open(address: SocketAddr, transports: Transports) -> io::Result<Ports> {
    let tcp = if transports.tcp() { Some(tcp::open(address)?) } else { None };
    let mut number = match &tcp {
        Some(listener) => listener.local_addr()?.port(),
        None => address.port(),
    };
    let mut udp = Vec::new();
    if transports.utp() {
        let port = udp_port((address.ip(), number).into())?;
        number = port.local_addr().port();
        udp.push(port);
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            // The TCP socket takes both families; a UDP socket takes one.
            udp.push(udp_port((Ipv4Addr::UNSPECIFIED, number).into())?);
        }
    }
    Ok(Ports { tcp, udp, number })
}

fn udp_port(address: SocketAddr) -> io::Result<UdpPort> {
    UdpPort::bind(address, torrent_utp::Config::default())
}
