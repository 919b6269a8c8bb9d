//! The address of a tracker, kept byte for byte.
//! In: any text found in a torrent. Out: host, port and request target, or the reason why not.
//! Never: resolving names (see the driver), re-encoding what the tracker chose (passkeys are exact).

use std::{fmt, str::FromStr};

use torrent_types::HostPort;

use crate::{error::UrlError, trust::Trust};

/// Longest URL that is read, in bytes.
pub const MAX_URL: usize = 4096;

/// The URL of a tracker, as it stood in the torrent.
///
/// Path and query are sent as they are: nothing is decoded, sorted or normalised. Only what can never stand in a request line
/// (bytes above ASCII and the quotes, brackets and strokes that RFC 3986 leaves out) is percent-encoded.
///
/// ```
/// use torrent_tracker::{Scheme, TrackerUrl};
///
/// let url: TrackerUrl = "http://tracker.example/announce?passkey=a%2fB".parse()?;
/// assert_eq!((url.scheme(), url.host(), url.port()), (Scheme::Http, "tracker.example", 80));
/// assert_eq!(url.target(), "/announce?passkey=a%2fB");
/// assert!("gopher://tracker.example/".parse::<TrackerUrl>().is_err());
/// # Ok::<(), torrent_tracker::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerUrl {
    scheme: Scheme,
    host: HostPort,
    target: Box<str>,
    trust: Trust,
}

/// How a tracker is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// BEP 3.
    Http,
    /// BEP 3 inside TLS.
    Https,
    /// BEP 15.
    Udp,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Udp => "udp",
        }
    }

    const fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Udp => None,
        }
    }
}

impl TrackerUrl {
    /// Reads a URL from a torrent or a magnet link: [`Trust::Torrent`] until [`trust`](Self::trust) says otherwise.
    ///
    /// # Errors
    /// Whatever [`UrlError`] lists.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https, Scheme::Udp]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
            .ok_or(UrlError::Scheme)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        // An empty port (`host:`) means the default one: RFC 3986 § 3.2.3. Case means nothing in a name: § 3.2.2.
        let host = HostPort::parse_or(&authority.to_ascii_lowercase(), scheme.default_port())?;
        let target = target.split('#').next().unwrap_or_default();
        Ok(Self { scheme, host, target: request_target(target), trust: Trust::default() })
    }

    /// The same URL with another origin: which addresses it may lead to.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Where the URL came from.
    #[must_use]
    pub const fn trusted(&self) -> Trust {
        self.trust
    }

    /// Which protocol.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Name, in lower case, or address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.host()
    }

    /// Never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.host.port()
    }

    /// Path and query, beginning with `/`, as they go into a request line and into BEP 41's URL data.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Path and query for BEP 41: empty when the URL has none.
    #[must_use]
    pub fn url_data(&self) -> &str {
        if &*self.target == "/" { "" } else { &self.target }
    }

    /// Host and port as an HTTP `Host` header wants them: without the scheme's default port.
    #[must_use]
    pub fn authority(&self) -> String {
        let mut authority = self.host.to_string();
        if self.scheme.default_port() == Some(self.port()) {
            let host_length = authority.rfind(':').unwrap_or(authority.len());
            authority.truncate(host_length);
        }
        authority
    }

    /// The URL that answers scrapes: `announce` at the start of the last path part becomes `scrape`. BEP 48 § "Scrape Request".
    /// UDP trackers answer at the same URL.
    ///
    /// # Errors
    /// [`UrlError::Scrape`] if the last part of the path begins otherwise.
    pub fn scrape(&self) -> Result<Self, UrlError> {
        if self.scheme == Scheme::Udp {
            return Ok(self.clone());
        }
        let path_end = self.target.find('?').unwrap_or(self.target.len());
        let (path, query) = self.target.split_at(path_end);
        let (head, last) = path.rsplit_once('/').ok_or(UrlError::Scrape)?;
        let rest = last.strip_prefix("announce").ok_or(UrlError::Scrape)?;
        Ok(Self { target: format!("{head}/scrape{rest}{query}").into(), ..self.clone() })
    }

    /// Refuses a URL whose query would collide with what an announce adds, unless the user wrote it.
    /// As libtorrent does: such a URL is made to speak to something that is not a tracker.
    pub(crate) fn check_reserved(&self) -> Result<(), UrlError> {
        if self.trust == Trust::User {
            return Ok(());
        }
        let (_, query) = self.target.split_once('?').unwrap_or_default();
        let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        match names.filter_map(|name| RESERVED.into_iter().find(|&reserved| reserved == name)).next() {
            Some(reserved) => Err(UrlError::Reserved(reserved)),
            None => Ok(()),
        }
    }

    /// Where a redirect's `Location` leads, seen from here. The origin of the URL does not change.
    ///
    /// # Errors
    /// Whatever [`UrlError`] lists.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        let base = format!("{}://{}", self.scheme.as_str(), self.authority());
        let absolute = if let Some(rest) = location.strip_prefix("//") {
            format!("{}://{rest}", self.scheme.as_str())
        } else if location.starts_with('/') {
            format!("{base}{location}")
        } else if location.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#'])) {
            location.to_owned()
        } else {
            let path = self.target.split('?').next().unwrap_or_default();
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            if location.starts_with('?') {
                format!("{base}{path}{location}")
            } else {
                format!("{base}{folder}/{location}")
            }
        };
        Ok(Self::parse(&absolute)?.trust(self.trust))
    }
}

fn request_target(rest: &str) -> Box<str> {
    let mut target = String::with_capacity(rest.len().saturating_add(1));
    if !rest.starts_with('/') {
        target.push('/');
    }
    for byte in rest.bytes() {
        if byte.is_ascii() && !b"\"<>\\^`{|}".contains(&byte) {
            target.push(char::from(byte));
        } else {
            crate::http::percent(byte, &mut target);
        }
    }
    target.into()
}

/// Parameters that tell a tracker about us. `key` is not among them: some private trackers call their passkey so.
const RESERVED: [&str; 7] = ["info_hash", "peer_id", "port", "uploaded", "downloaded", "left", "event"];

impl FromStr for TrackerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.target)
    }
}

/// Without path and query, where passkeys are: safe for logs.
impl fmt::Debug for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackerUrl({}://{}/…)", self.scheme.as_str(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<TrackerUrl, UrlError> {
        text.parse()
    }

    #[test]
    fn path_and_query_are_kept_byte_for_byte() {
        for target in ["/announce", "/announce?passkey=a%2FB%2fc&x='+~*", "/a//b/../announce.php?", "/?", "/a?b?c/d"] {
            assert_eq!(parse(&format!("http://h:81{target}")).unwrap().target(), target);
        }
        assert_eq!(parse("http://h").unwrap().target(), "/");
        assert_eq!(parse("http://h?x=1").unwrap().target(), "/?x=1");
        assert_eq!(parse("http://h/a#part").unwrap().target(), "/a");
        assert_eq!(parse("http://h/é<").unwrap().target(), "/%C3%A9%3C");
    }

    #[test]
    fn schemes_hosts_and_ports() {
        let url = parse(" HTTPS://[2001:db8::1]:8443/announce\n").unwrap();
        assert_eq!((url.scheme(), url.host(), url.port()), (Scheme::Https, "2001:db8::1", 8443));
        assert_eq!(url.authority(), "[2001:db8::1]:8443");
        assert_eq!(parse("https://h:/x").unwrap().port(), 443);
        for (text, authority) in [
            ("http://[0:0::1]", "[::1]"),
            ("http://[::1]:80/x", "[::1]"),
            ("https://[::1]:80/x", "[::1]:80"),
            ("udp://[::1]:80/x", "[::1]:80"),
            ("HTTP://Tracker.Example:/A", "tracker.example"),
            ("http://192.0.2.1:8080", "192.0.2.1:8080"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.authority(), authority, "{text}");
            assert_eq!(parse(&url.to_string()), Ok(url));
        }
        assert_eq!(parse("udp://h:1337/announce").unwrap().to_string(), "udp://h:1337/announce");
        assert_eq!(parse("udp://h:1337").unwrap().url_data(), "");
    }

    #[test]
    fn odd_urls_are_refused_with_the_reason() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("announce", UrlError::Scheme),
            ("wss://h/announce", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("http://", UrlError::EmptyHost),
            ("http:///announce", UrlError::EmptyHost),
            ("http://:80/announce", UrlError::EmptyHost),
            ("http://user:pw@h/announce", UrlError::UserInfo),
            ("http://h/announce\r\nHost: evil", UrlError::Character),
            ("http://h/an nounce", UrlError::Character),
            ("http://h:0/announce", UrlError::Port),
            ("http://h:65536/announce", UrlError::Port),
            ("http://h:+80/announce", UrlError::Port),
            ("http://[::1:80/announce", UrlError::Host),
            ("http://[::1]x/announce", UrlError::Host),
            ("http://::1/announce", UrlError::EmptyHost),
            ("http://2001:db8::1/announce", UrlError::Port),
            ("http://h%2eexample/announce", UrlError::Host),
            ("http://h:80:80/announce", UrlError::Port),
            ("http://bücher.example/announce", UrlError::Host),
            ("udp://h/announce", UrlError::Port),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        // A backslash ends the authority, as browsers read it, so nothing after it can pose as a host.
        assert_eq!(parse("http://h\\@evil/announce").unwrap().to_string(), "http://h/%5C@evil/announce");
        assert_eq!(parse(&format!("http://h/{}", "a".repeat(MAX_URL))), Err(UrlError::TooLong));
    }

    #[test]
    fn bep48_scrape_replaces_announce_in_the_last_part_of_the_path() {
        for (announce, scrape) in [
            ("http://h/announce", Some("http://h/scrape")),
            ("http://h/x/announce", Some("http://h/x/scrape")),
            ("http://h/announce.php", Some("http://h/scrape.php")),
            ("http://h/announce?x2%0644", Some("http://h/scrape?x2%0644")),
            ("http://h/announce/a", None),
            ("http://h/a?announce/announce", None),
            ("http://h/", None),
            ("udp://h:1/x", Some("udp://h:1/x")),
        ] {
            let answer = parse(announce).unwrap().scrape().ok().map(|url| url.to_string());
            assert_eq!(answer.as_deref(), scrape, "{announce}");
        }
    }

    #[test]
    fn parameters_of_an_announce_are_reserved_unless_the_user_wrote_them() {
        let url = parse("http://h/announce?a=1&info_hash=x").unwrap();
        assert_eq!(url.check_reserved(), Err(UrlError::Reserved("info_hash")));
        assert_eq!(url.trust(Trust::User).check_reserved(), Ok(()));
        assert_eq!(parse("http://h/announce?key=1&passkey=port").unwrap().check_reserved(), Ok(()));
    }

    #[test]
    fn redirects_resolve_against_the_url() {
        let url = parse("http://h:81/a/announce?x=/1").unwrap();
        for (location, target) in [
            ("/b?y", "http://h:81/b?y"),
            ("c", "http://h:81/a/c"),
            ("//other/d", "http://other/d"),
            ("https://other/e", "https://other/e"),
            ("?z", "http://h:81/a/announce?z"),
            ("c?to=http://other/", "http://h:81/a/c?to=http://other/"),
            ("#part", "http://h:81/a/"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), target);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_what_is_read_is_stable(text in "(http|udp|HTTPS)?(://)?.{0,60}") {
            if let Ok(url) = parse(&text) {
                prop_assert_eq!(parse(&url.to_string()).unwrap(), url.clone());
                prop_assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic()));
                let _ = url.scrape();
            }
        }
    }
}
