//! Where to listen. In: [`Listen`]. Out: a bound socket, or which address was refused and why.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use crate::{Error, Listen};

/// The ports that BitTorrent clients have always used, then any.
const USUAL_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// Binds as `listen` says; `None` for [`Listen::Nowhere`].
pub(super) fn bind<T>(listen: Listen, bind: impl Fn(SocketAddr) -> io::Result<T>) -> Result<Option<T>, Error> {
    let at = |address| bind(address).map_err(|source| Error::Listen { address, source });
    match listen {
        Listen::At(address) => at(address).map(Some),
        Listen::Usual(ip) => usual(ip, at).map(Some),
        Listen::Nowhere => Ok(None),
    }
}

/// The first free port of the usual ones, or else any; IPv4 alone where there is no IPv6.
fn usual<T>(ip: IpAddr, at: impl Fn(SocketAddr) -> Result<T, Error>) -> Result<T, Error> {
    let first = |ip: IpAddr| {
        USUAL_PORTS.map(|port| at(SocketAddr::new(ip, port))).find(Result::is_ok).unwrap_or_else(|| at((ip, 0).into()))
    };
    match ip {
        IpAddr::V6(v6) if v6.is_unspecified() => first(ip).or_else(|_| first(Ipv4Addr::UNSPECIFIED.into())),
        ip => first(ip),
    }
}
