//! Where an HTTP tracker may send us instead of answering.
//! Spec: RFC 9110 § "Redirection 3xx"; the limits are libtorrent's and ours. In: connections and `Location` headers of one request.
//! Out: the next URL, or the reason to stop. Never: requests.

use std::net::IpAddr;

use torrent_types::Scope;

use crate::{
    error::{DecodeError, Error, Refused, UrlError},
    trust::Trust,
    url::{Scheme, TrackerUrl},
};

/// Redirects that are followed for one request. BEP 3 says nothing; libtorrent follows as many.
pub const MAX_REDIRECTS: usize = 5;

/// The redirects of one request, and what they have led to.
///
/// ```
/// use torrent_tracker::{TrackerUrl, http::Redirects};
///
/// let url: TrackerUrl = "http://tracker.example/announce".parse()?;
/// let mut redirects = Redirects::default();
/// redirects.handle_connected(Some([93, 184, 216, 34].into()));
/// let next = redirects.handle_redirect(&url, Some("/moved/announce"))?;
/// assert_eq!(next.target(), "/moved/announce");
/// assert!(next.check_address([127, 0, 0, 1].into()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Redirects {
    followed: usize,
    was_global: bool,
}

impl Redirects {
    /// The request goes over a connection to `ip`; `None` if a proxy resolves the name, so that the address is unknown.
    pub fn handle_connected(&mut self, ip: Option<IpAddr>) {
        self.was_global |= !ip.is_some_and(|ip| Scope::of(ip).is_local());
    }

    /// The answer to a request to `url` is a redirect to `location`. Gives the URL to ask next; an announce that goes there keeps
    /// the query that the redirect has, and adds nothing.
    ///
    /// # Errors
    /// [`Refused::TooManyRedirects`], [`Refused::Downgrade`] from https to http, [`UrlError::Scheme`] to another protocol, and
    /// whatever is wrong with the location.
    pub fn handle_redirect(&mut self, url: &TrackerUrl, location: Option<&str>) -> Result<TrackerUrl, Error> {
        if self.followed >= MAX_REDIRECTS {
            return Err(Refused::TooManyRedirects.into());
        }
        self.followed = self.followed.saturating_add(1);
        let next = url.join(location.ok_or(DecodeError::Location)?)?;
        match (url.scheme(), next.scheme()) {
            (_, Scheme::Udp) => return Err(UrlError::Scheme.into()),
            (Scheme::Https, Scheme::Http) => return Err(Refused::Downgrade.into()),
            _ => {}
        }
        // A tracker outside does not inherit the trust of the user who named it: it may not send us into the local network.
        Ok(if self.was_global { next.trust(Trust::PublicOnly) } else { next })
    }

    /// The reason to tell when a URL may not lead to its address: the tracker that sent us there is to blame, if one did.
    #[must_use]
    pub fn explain(&self, refused: Refused) -> Refused {
        match refused {
            Refused::Address if self.was_global => Refused::RedirectToLocal,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TrackerUrl {
        text.parse::<TrackerUrl>().unwrap().trust(Trust::User)
    }

    #[test]
    fn a_tracker_outside_cannot_lead_inside_and_one_inside_can() {
        for (ip, inside) in [([8, 8, 8, 8], false), ([192, 168, 0, 1], true)] {
            let mut redirects = Redirects::default();
            redirects.handle_connected(Some(ip.into()));
            let next = redirects.handle_redirect(&url("http://t/announce"), Some("http://inner/announce")).unwrap();
            assert_eq!(next.check_address([10, 0, 0, 1].into()).is_ok(), inside, "{ip:?}");
            assert_eq!(redirects.explain(Refused::Address) == Refused::Address, inside);
        }
        // What a proxy resolves may be anywhere.
        let mut redirects = Redirects::default();
        redirects.handle_connected(None);
        let next = redirects.handle_redirect(&url("http://t/announce"), Some("http://inner/announce")).unwrap();
        assert!(next.check_address([10, 0, 0, 1].into()).is_err());
    }

    #[test]
    fn redirects_keep_their_protocol_and_end() {
        let mut redirects = Redirects::default();
        let from = url("https://t/announce");
        let mut follow = |location: Option<&str>| redirects.handle_redirect(&from, location);
        assert!(matches!(follow(Some("http://t/announce")), Err(Error::Refused(Refused::Downgrade))));
        assert!(matches!(follow(Some("udp://t:1/announce")), Err(Error::Url(UrlError::Scheme))));
        assert!(matches!(follow(None), Err(Error::Decode(DecodeError::Location))));
        assert_eq!(follow(Some("//u/x")).unwrap().to_string(), "https://u/x");
        assert!(follow(Some("/y")).is_ok());
        assert!(matches!(follow(Some("/z")), Err(Error::Refused(Refused::TooManyRedirects))));
    }
}
