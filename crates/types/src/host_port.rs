//! A host and a port as text has them: peers of magnet links, DHT nodes of torrents, authorities of tracker URLs.
//! Spec: BEP 9 § "magnet URI format" (`x.pe`), BEP 5 § "Torrent File Extensions" (`nodes`), RFC 3986 § "Authority".
//! In: text from anywhere. Out: [`HostPort`]. Never: name resolution, judgement of where an address leads (see `scope`).

use std::{
    error, fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The longest host name, in bytes: RFC 1035 § "Size limits", as text.
pub const MAX_HOST_LENGTH: usize = 253;

/// A place to connect to: a name or an address, and a port that is not 0.
///
/// A name has letters, digits and `-._` only, so it can stand in a request, a log or a URL as it is; international ones
/// come in Punycode. Case is kept. An IPv6 address has brackets in text, and its shortest form here.
///
/// ```
/// use torrent_types::HostPort;
///
/// let peer: HostPort = "[2001:db8:0::1]:6881".parse()?;
/// assert_eq!((peer.host(), peer.port()), ("2001:db8::1", 6881));
/// assert_eq!(peer.to_string(), "[2001:db8::1]:6881");
///
/// // In a URL the scheme may know the port.
/// let tracker = HostPort::parse_or("tracker.example", Some(80))?;
/// assert_eq!((tracker.port(), tracker.socket_addr()), (80, None));
/// # Ok::<(), torrent_types::HostPortError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: Box<str>,
    port: u16,
}

impl HostPort {
    /// A host by itself, an IPv6 address without brackets, and a port.
    ///
    /// # Errors
    /// Whatever [`HostPortError`] lists.
    pub fn new(host: &str, port: u16) -> Result<Self, HostPortError> {
        if port == 0 {
            return Err(HostPortError::Port);
        }
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => address.to_string().into(),
            Err(_) => check_name(host)?.into(),
        };
        Ok(Self { host, port })
    }

    /// Reads `host:port`, or `host` and `host:` where there is a default for the port: the authority of a URL, without the
    /// user that may stand in front.
    ///
    /// # Errors
    /// Whatever [`HostPortError`] lists.
    pub fn parse_or(text: &str, default_port: Option<u16>) -> Result<Self, HostPortError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(HostPortError::Host)?;
                let address: Ipv6Addr = address.parse().map_err(|_| HostPortError::Host)?;
                if !(port.is_empty() || port.starts_with(':')) {
                    return Err(HostPortError::Host);
                }
                (address.to_string().into(), port)
            }
            None => {
                let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                (check_name(name)?.into(), port)
            }
        };
        let port = match port.strip_prefix(':').unwrap_or_default() {
            "" => default_port,
            // `u16` would take a sign.
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        };
        Ok(Self { host, port: port.filter(|port| *port != 0).ok_or(HostPortError::Port)? })
    }

    /// Name or address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Not 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address, where the host is not a name.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }
}

fn check_name(name: &str) -> Result<&str, HostPortError> {
    if name.is_empty() {
        return Err(HostPortError::EmptyHost);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.len() > MAX_HOST_LENGTH || !name.bytes().all(is_name) {
        return Err(HostPortError::Host);
    }
    Ok(name)
}

impl FromStr for HostPort {
    type Err = HostPortError;

    /// Reads `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`.
    fn from_str(text: &str) -> Result<Self, HostPortError> {
        Self::parse_or(text, None)
    }
}

/// # Errors
/// If the port is 0.
impl TryFrom<SocketAddr> for HostPort {
    type Error = HostPortError;

    fn try_from(address: SocketAddr) -> Result<Self, HostPortError> {
        Self::new(&address.ip().to_string(), address.port())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of all hosts only IPv6 addresses have colons.
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostPort({self})")
    }
}

/// Why text is not a host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostPortError {
    /// Nothing where the host should be.
    EmptyHost,
    /// Neither a name of letters, digits and `-._`, at most [`MAX_HOST_LENGTH`], nor an address; or an IPv6 address without
    /// brackets.
    Host,
    /// No port, or not a number from 1 to 65535.
    Port,
}

impl fmt::Display for HostPortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyHost => "no host",
            Self::Host => "neither a host name nor an address",
            Self::Port => "no port from 1 to 65535",
        })
    }
}

impl error::Error for HostPortError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<HostPort, HostPortError> {
        text.parse()
    }

    #[test]
    fn names_and_addresses() {
        for (text, host, port, is_address) in [
            ("router.example:6881", "router.example", 6881, false),
            ("Under_score-1.example.:1", "Under_score-1.example.", 1, false),
            ("192.0.2.1:65535", "192.0.2.1", 65535, true),
            ("[2001:db8::1]:80", "2001:db8::1", 80, true),
            ("[::ffff:192.0.2.1]:080", "::ffff:192.0.2.1", 80, true),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(
                (parsed.host(), parsed.port(), parsed.socket_addr().is_some()),
                (host, port, is_address),
                "{text}"
            );
            assert_eq!(HostPort::new(host, port), Ok(parsed.clone()));
            assert_eq!(parse(&parsed.to_string()), Ok(parsed));
        }
        assert_eq!(format!("{:?}", parse("[0:0::1]:1").unwrap()), "HostPort([::1]:1)");
    }

    #[test]
    fn what_is_neither_says_why() {
        use HostPortError::{EmptyHost, Host, Port};
        for (error, texts) in [
            (EmptyHost, &["", ":1", ":"][..]),
            (
                Port,
                &["a", "a:", "a:0", "a:65536", "a:+1", "a:-1", "a: 1", "a:1x", "1:2:3", "[::1]", "[::1]:", "[::1]:0"],
            ),
            (
                Host,
                &[
                    "a b:1",
                    "a/b:1",
                    "a@b:1",
                    "a\r\n:1",
                    "é:1",
                    "[::1:1",
                    "[]:1",
                    "[x]:1",
                    "[::1]x:1",
                    "[::1%1]:1",
                    "a]:1",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(parse(text), Err(error), "{text:?}");
            }
        }
        assert_eq!(parse("2001:db8::1"), Err(Port), "an address without brackets has no port of its own");
        assert!(parse(&format!("{}:1", "a".repeat(MAX_HOST_LENGTH))).is_ok());
        assert_eq!(parse(&format!("{}:1", "a".repeat(MAX_HOST_LENGTH + 1))), Err(Host));
        assert_eq!(HostPort::new("[::1]", 1), Err(Host));
        assert_eq!(HostPort::new("a:1", 1), Err(Host));
        assert_eq!(HostPort::new("a", 0), Err(Port));
    }

    #[test]
    fn the_port_may_have_a_default() {
        for text in ["h", "h:", "[::1]", "[::1]:"] {
            assert_eq!(HostPort::parse_or(text, Some(80)).unwrap().port(), 80, "{text}");
        }
        assert_eq!(HostPort::parse_or("h:81", Some(80)).unwrap().port(), 81);
        assert_eq!(HostPort::parse_or("h:0", Some(80)), Err(HostPortError::Port));
        assert_eq!(HostPort::parse_or("h", Some(0)), Err(HostPortError::Port));
    }

    proptest! {
        #[test]
        fn addresses_survive(address: SocketAddr) {
            let address = SocketAddr::new(address.ip(), address.port());
            match HostPort::try_from(address) {
                Ok(parsed) => {
                    prop_assert_eq!(parsed.socket_addr(), Some(address));
                    prop_assert_eq!(parse(&parsed.to_string()), Ok(parsed));
                }
                Err(error) => prop_assert_eq!((error, address.port()), (HostPortError::Port, 0)),
            }
        }

        #[test]
        fn any_text_is_read_without_panic_and_what_is_read_is_stable(text in "\\[?[a-f0-9:.]{0,12}\\]?:?[0-9]{0,6}|\\PC{0,20}") {
            for port in [None, Some(80)] {
                if let Ok(parsed) = HostPort::parse_or(&text, port) {
                    prop_assert_eq!(parse(&parsed.to_string()), Ok(parsed.clone()));
                    prop_assert_eq!(HostPort::new(parsed.host(), parsed.port()), Ok(parsed));
                }
            }
        }
    }
}
