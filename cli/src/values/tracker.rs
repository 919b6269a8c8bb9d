//! Addresses of trackers and web seeds. They are kept as typed; only what cannot be an address is refused.

use std::str::FromStr;

use torrent_types::{HostPort, HostPortError};

use crate::{
    exit::{Code, Failure, Outcome},
    input::{self, Input},
};

/// `scheme://host…`, without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check(text).map_err(|fault| format!("{text:?}: {fault}"))?;
        Ok(Self(text.into()))
    }
}

/// Why text is not an address.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("an empty address");
    }
    let (scheme, rest) = text.split_once("://").ok_or("not an address: it has no scheme:// in front")?;
    if !is_scheme(scheme) || rest.is_empty() || rest.starts_with('/') {
        return Err("not an address of the form scheme://host");
    }
    if text.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Err("an address has no spaces");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_user, authority)| authority);
    // Names in other scripts are for the resolver to judge.
    let ascii = authority.replace(|char: char| char.is_alphanumeric() && !char.is_ascii(), "x");
    let default_port = match &*scheme.to_ascii_lowercase() {
        "udp" => None,
        "http" | "ws" => Some(80),
        _ => Some(443),
    };
    match HostPort::parse_or(&ascii, default_port) {
        Ok(_) => Ok(()),
        Err(HostPortError::Port) if default_port.is_none() => {
            Err("a udp address needs a port of 1 to 65535: udp://host:port")
        }
        Err(HostPortError::Port) => Err("a port is a number of 1 to 65535"),
        Err(_) => Err("not an address: its host is neither a name nor an IP address"),
    }
}

fn is_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_part)
}

/// Trackers that share a tier: separated by spaces, or by commas in front of the next scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tier(pub(crate) Vec<String>);

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut urls: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let mut parts = word.split(',');
            let mut url = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                if part.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) {
                    urls.push(std::mem::replace(&mut url, part.to_owned()));
                } else {
                    url = format!("{url},{part}");
                }
            }
            urls.push(url);
        }
        if urls.is_empty() {
            return Err("no address".into());
        }
        urls.iter().try_for_each(|url| url.parse::<Url>().map(drop))?;
        let mut seen = Vec::new();
        urls.retain(|url| {
            !seen.contains(url) && {
                seen.push(url.clone());
                true
            }
        });
        Ok(Self(urls))
    }
}

impl Tier {
    /// The trackers in a file: a tier a line. Empty lines, and those that begin with `#`, say nothing. So no passkey has to
    /// stand on a command line, where other users of the machine can see it.
    pub(crate) fn from_file(file: &Input) -> Outcome<Vec<Self>> {
        let bytes = file.read()?;
        let text = input::text(&bytes).ok_or_else(|| file.bad("not text"))?;
        let lines = (1..).zip(text.lines().map(|line| line.trim_matches(['\u{feff}', ' ', '\t', '\r'])));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let tiers = lines.map(|(number, line)| {
            let tier = line.parse::<Self>();
            tier.map_err(|fault| Failure::message(Code::BadInput, format!("{file}, line {number}: {fault}")))
        });
        let tiers = tiers.collect::<Outcome<Vec<_>>>()?;
        if tiers.is_empty() { Err(file.bad("no trackers in it")) } else { Ok(tiers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_addresses_share_a_tier() {
        for text in [
            "http://a/x udp://b:1",
            "http://a/x,udp://b:1",
            " http://a/x  udp://b:1 ",
            "http://a/x,udp://b:1 http://a/x",
        ] {
            assert_eq!(text.parse(), Ok(Tier(vec!["http://a/x".into(), "udp://b:1".into()])), "{text}");
        }
    }

    #[test]
    fn commas_of_an_address_stay_in_it() {
        assert_eq!("http://a/?q=1,2".parse(), Ok(Tier(vec!["http://a/?q=1,2".into()])));
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for text in ["", " ", "tracker.example", "://x", "http://", "http:///x", "1x://a", "http://a,b c"] {
            assert!(text.parse::<Tier>().is_err(), "{text}");
        }
        assert!("http://a\nb".parse::<Url>().is_err());
        for text in
            ["udp://host", "udp://c:0/x", "udp://c:99999", "http://[::1/", "http://a:x/", "http://a b/", "http://:80/"]
        {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
        for text in
            ["udp://[::1]:80/announce", "http://user:word@a.example/x", "https://b\u{fc}cher.example/", "wss://a"]
        {
            assert!(text.parse::<Url>().is_ok(), "{text}");
        }
    }

    #[test]
    fn the_word_that_is_no_address_is_named() {
        let fault = "http://c.example/a b".parse::<Tier>().unwrap_err();
        assert_eq!(fault, "\"b\": not an address: it has no scheme:// in front");
    }
}
