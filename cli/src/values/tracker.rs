//! Addresses of trackers and web seeds. They are kept as typed; only what cannot be an address is refused.

use std::str::FromStr;

/// `scheme://host…`, without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("not an address: it has no scheme:// in front")?;
        if !is_scheme(scheme) || rest.is_empty() || rest.starts_with('/') {
            return Err("not an address of the form scheme://host".into());
        }
        if text.contains(|char: char| char.is_whitespace() || char.is_control()) {
            return Err("an address has no spaces".into());
        }
        Ok(Self(text.into()))
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
        Ok(Self(urls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_addresses_share_a_tier() {
        for text in ["http://a/x udp://b:1", "http://a/x,udp://b:1", " http://a/x  udp://b:1 "] {
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
    }
}
