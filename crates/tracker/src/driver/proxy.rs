//! Proxies: HTTP (RFC 9110 § 9.3.6, CONNECT) and SOCKS5 (RFC 1928, RFC 1929).
//! In: a stream to the proxy, where to go. Out: the same stream, at its destination.

use std::{fmt, io, net::IpAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use torrent_types::HostPort;

use crate::error::UrlError;

/// Where tracker connections go through. Names are resolved by the proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) kind: Kind,
    pub(super) address: HostPort,
    user: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Socks5,
}

impl Proxy {
    /// Reads `http://host:port`, `socks5://host:port` or `socks5://user:password@host:port` (`socks5h` means the same). User and
    /// password are taken as they are, not percent-decoded.
    ///
    /// # Errors
    /// [`UrlError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let kind = match scheme {
            "http" => Kind::Http,
            "socks5" | "socks5h" => Kind::Socks5,
            _ => return Err(UrlError::Scheme),
        };
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        let user = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (name.to_owned(), password.to_owned())
        });
        if user.as_ref().is_some_and(|(name, password)| name.len().max(password.len()) > 255) {
            return Err(UrlError::TooLong);
        }
        Ok(Self { kind, address: authority.trim_end_matches('/').parse()?, user })
    }

    /// `Proxy-Authorization`, if there is a user. RFC 7617.
    pub(super) fn authorization(&self) -> Option<String> {
        let (name, password) = self.user.as_ref()?;
        Some(format!("Basic {}", base64(format!("{name}:{password}").as_bytes())))
    }

    /// Asks the proxy to pass everything on to `host`.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        match self.kind {
            Kind::Http => self.connect(stream, host, port).await,
            Kind::Socks5 => self.socks5(stream, host, port).await,
        }
    }

    async fn connect(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let authorization =
            self.authorization().map_or_else(String::new, |value| format!("Proxy-Authorization: {value}\r\n"));
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte: what follows the empty line belongs to the destination.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER {
                return Err(io::ErrorKind::InvalidData.into());
            }
            answer.push(stream.read_u8().await?);
        }
        let mut words = answer.split(|&byte| byte == b' ');
        match (words.next(), words.next()) {
            (Some(version), Some(b"200")) if version.starts_with(b"HTTP/1.") => Ok(()),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    async fn socks5(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let method = if self.user.is_some() { USER_PASSWORD } else { NO_AUTHENTICATION };
        stream.write_all(&[VERSION, 1, method]).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        if chosen != [VERSION, method] {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if let Some((name, password)) = &self.user {
            let mut request = vec![1];
            for text in [name, password] {
                request.push(length_byte(text)?);
                request.extend_from_slice(text.as_bytes());
            }
            stream.write_all(&request).await?;
            let mut verdict = [0; 2];
            stream.read_exact(&mut verdict).await?;
            if verdict != [1, 0] {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        let mut request = vec![VERSION, CONNECT, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => {
                request.push(ADDRESS_V4);
                request.extend_from_slice(&ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                request.push(ADDRESS_V6);
                request.extend_from_slice(&ip.octets());
            }
            Err(_) => {
                request.extend_from_slice(&[ADDRESS_NAME, length_byte(host)?]);
                request.extend_from_slice(host.as_bytes());
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&request).await?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).await?;
        let [VERSION, 0, _, kind] = reply else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        // The address from which the proxy speaks, and its port.
        let length = match kind {
            ADDRESS_V4 => 4u8,
            ADDRESS_V6 => 16,
            ADDRESS_NAME => stream.read_u8().await?,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let mut rest = vec![0; usize::from(length).saturating_add(2)];
        stream.read_exact(&mut rest).await?;
        Ok(())
    }
}

/// Without the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} {})", self.kind, self.address)
    }
}

fn length_byte(text: &str) -> io::Result<u8> {
    u8::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u8| DIGITS.get(usize::from(value & 63)).map_or('=', |&digit| char::from(digit));
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index| chunk.get(index).copied().unwrap_or_default();
        let (a, b, c) = (at(0), at(1), at(2));
        out.push(digit(a >> 2));
        out.push(digit(a << 4 | b >> 4));
        out.push(if chunk.len() > 1 { digit(b << 2 | c >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { digit(c) } else { '=' });
    }
    out
}

/// Longest answer of an HTTP proxy to CONNECT.
const MAX_ANSWER: usize = 8192;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_from_urls() {
        let proxy = Proxy::parse("socks5://me:p:w@proxy:1080").unwrap();
        assert_eq!((proxy.kind, proxy.address.to_string().as_str()), (Kind::Socks5, "proxy:1080"));
        assert_eq!(proxy.user, Some(("me".into(), "p:w".into())));
        assert_eq!(format!("{proxy:?}"), "Proxy(Socks5 proxy:1080)");
        assert_eq!(Proxy::parse("http://[::1]:3128/").unwrap().address.host(), "::1");
        assert!(Proxy::parse("ftp://proxy:1").is_err());
        for (text, error) in [
            ("socks5://proxy", UrlError::Port),
            ("http://proxy:1/path", UrlError::Port),
            ("http://a b:1", UrlError::Host),
            ("http://me@:1", UrlError::EmptyHost),
        ] {
            assert_eq!(Proxy::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn base64_as_in_rfc_4648() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
