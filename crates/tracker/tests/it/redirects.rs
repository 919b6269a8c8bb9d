//! Where a tracker, or a torrent, may send us.

use tokio::io::AsyncWriteExt as _;
use torrent_tracker::{Client, Config, DecodeError, Error, Proxy, Refused, TrackerUrl, Trust, UrlError};

use crate::scripted::{ANSWER, canned, head, ok, request, response, scripted};

#[tokio::test]
async fn redirects_are_followed_to_the_fifth() {
    let hops = |count: usize| {
        scripted(move |mut stream, _| async move {
            while let Some(head) = head(&mut stream).await {
                let (_, query) = head.split_once("hop=").unwrap_or_default();
                let hop: usize =
                    query.split(['&', ' ']).next().and_then(|number| number.parse().ok()).unwrap_or_default();
                let answer = if hop == count {
                    ok(ANSWER)
                } else {
                    response("302 Found", &format!("Location: /announce?hop={}\r\n", hop + 1), b"")
                };
                let _ = stream.write_all(&answer).await;
            }
        })
    };
    assert!(hops(5).await.announce().await.is_ok());
    let outcome = hops(6).await.announce().await;
    assert!(matches!(outcome, Err(Error::Refused(Refused::TooManyRedirects))), "{outcome:?}");
}

#[tokio::test]
async fn redirects_to_odd_places_are_refused() {
    for (location, check) in [
        ("Location: gopher://x/\r\n", (|error| matches!(error, Error::Url(UrlError::Scheme))) as fn(&Error) -> bool),
        ("Location: udp://127.0.0.1:1/announce\r\n", |error| matches!(error, Error::Url(UrlError::Scheme))),
        ("Location: http://user:pw@127.0.0.1/announce\r\n", |error| matches!(error, Error::Url(UrlError::UserInfo))),
        ("Location: http://224.0.0.1/announce\r\n", |error| matches!(error, Error::Refused(Refused::Address))),
        // From a torrent, and not a tracker's path on a local address.
        ("Location: http://127.0.0.1:9/admin\r\n", |error| matches!(error, Error::Refused(Refused::Address))),
        ("", |error| matches!(error, Error::Decode(DecodeError::Location))),
    ] {
        let outcome = canned(response("301 Moved", location, b"")).await.announce().await;
        assert!(outcome.as_ref().is_err_and(check), "{location}: {outcome:?}");
    }
}

#[tokio::test]
async fn local_addresses_are_not_reached_at_other_paths() {
    let service = canned(ok(ANSWER)).await;
    let url: TrackerUrl = format!("http://{}/reboot?announce", service.address).parse().unwrap();
    let client = Client::new(Config::default());
    let refused = client.announce(&url, &request()).await;
    assert!(matches!(refused, Err(Error::Refused(Refused::Address))), "{refused:?}");
    assert_eq!(service.connections(), 0);
    assert!(client.announce(&url.clone().trust(Trust::User), &request()).await.is_ok());
    let strict = service.url().trust(Trust::PublicOnly);
    assert!(matches!(client.announce(&strict, &request()).await, Err(Error::Refused(Refused::Address))));
    // By name as well: the address counts that the name leads to.
    let named: TrackerUrl = format!("http://localhost:{}/reboot", service.address.port()).parse().unwrap();
    assert!(matches!(client.announce(&named, &request()).await, Err(Error::Refused(Refused::Address))));
}

#[tokio::test]
async fn a_redirect_into_the_local_network_is_refused_behind_a_proxy_as_well() {
    for inside in ["127.0.0.1", "10.0.0.1", "localhost", "127.1", "[::1]"] {
        let proxy = canned(response("302 Found", &format!("Location: http://{inside}/announce\r\n"), b"")).await;
        let config = Config::default().proxy(Some(Proxy::parse(&format!("http://{}", proxy.address)).unwrap()));
        let announce = async |url: &str| {
            let url: TrackerUrl = url.parse().unwrap();
            Client::new(config.clone()).announce(&url.trust(Trust::User), &request()).await
        };
        let outcome = announce("http://tracker.example/announce").await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::RedirectToLocal))), "{inside}: {outcome:?}");
        // From inside to inside, until it is too much.
        let outcome = announce("http://10.0.0.9/announce").await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::TooManyRedirects))), "{inside}: {outcome:?}");
    }
}
