//! `ut_holepunch`: a peer introduces two others that are both behind a NAT. BEP 55.

use std::{
    error, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::MalformedPayload;

/// A message of `ut_holepunch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "BEP 55 has three messages and no room for more")]
pub enum Holepunch {
    /// To the relay: arrange a meeting with this peer.
    Rendezvous(SocketAddr),
    /// From the relay: connect to this peer now, over uTP.
    Connect(SocketAddr),
    /// From the relay: the meeting with this peer cannot be arranged.
    Error(SocketAddr, HolepunchError),
}

/// Why a relay cannot arrange a meeting. BEP 55 § "Error Codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolepunchError {
    /// 1: the address is not one.
    NoSuchPeer,
    /// 2: the relay is not connected to that peer.
    NotConnected,
    /// 3: that peer does not know the extension.
    NoSupport,
    /// 4: that peer is the relay itself.
    NoSelf,
    /// Any other number.
    Other(u32),
}

const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
const ERROR: u8 = 2;
const IPV4: u8 = 0;
const IPV6: u8 = 1;

impl Holepunch {
    /// Reads a payload.
    ///
    /// # Errors
    /// If it has an unknown kind or the wrong length. The error code may be missing where there is no error.
    pub fn decode(payload: &[u8]) -> Result<Self, MalformedPayload> {
        Self::parse(payload).ok_or(MalformedPayload)
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let ([kind, family], rest) = payload.split_first_chunk()?;
        let (ip, rest) = match *family {
            IPV4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (IpAddr::V4(Ipv4Addr::from(*ip)), rest))?,
            IPV6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (IpAddr::V6(Ipv6Addr::from(*ip)), rest))?,
            _ => return None,
        };
        let (port, rest) = rest.split_first_chunk()?;
        let address = SocketAddr::new(ip, u16::from_be_bytes(*port));
        let code = match rest {
            [] if *kind != ERROR => 0,
            rest => rest.try_into().ok().map(u32::from_be_bytes)?,
        };
        match *kind {
            RENDEZVOUS => Some(Self::Rendezvous(address)),
            CONNECT => Some(Self::Connect(address)),
            ERROR => Some(Self::Error(address, HolepunchError::from_code(code))),
            _ => None,
        }
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, address, code) = match *self {
            Self::Rendezvous(address) => (RENDEZVOUS, address, 0),
            Self::Connect(address) => (CONNECT, address, 0),
            Self::Error(address, error) => (ERROR, address, error.code()),
        };
        let mut out = vec![kind];
        match address.ip() {
            IpAddr::V4(ip) => {
                out.push(IPV4);
                out.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(IPV6);
                out.extend_from_slice(&ip.octets());
            }
        }
        out.extend_from_slice(&address.port().to_be_bytes());
        out.extend_from_slice(&code.to_be_bytes());
        out
    }

    /// The peer that it is about.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        match *self {
            Self::Rendezvous(address) | Self::Connect(address) | Self::Error(address, _) => address,
        }
    }
}

impl HolepunchError {
    const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            other => Self::Other(other),
        }
    }

    const fn code(self) -> u32 {
        match self {
            Self::NoSuchPeer => 1,
            Self::NotConnected => 2,
            Self::NoSupport => 3,
            Self::NoSelf => 4,
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for HolepunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPeer => f.write_str("no such peer"),
            Self::NotConnected => f.write_str("the relay is not connected to that peer"),
            Self::NoSupport => f.write_str("that peer does not know holepunching"),
            Self::NoSelf => f.write_str("that peer is the relay itself"),
            Self::Other(code) => write!(f, "holepunch error {code}"),
        }
    }
}

impl error::Error for HolepunchError {}
