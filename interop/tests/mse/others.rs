//! aria2, rtorrent and Transmission, each under several settings at a time: aria2 looks at its connections once a second,
//! Transmission twice.

use torrent_interop::Encryption;

use super::*;

/// As seeds.
mod we_dial {
    use super::*;

    #[tokio::test]
    async fn aria2() {
        let both = &[Method::Plaintext, Method::Rc4];
        tokio::join!(
            dial(Client::Aria2, Encryption::AsAlways, true, both),
            dial(Client::Aria2, Encryption::Handshake, false, both),
            dial(Client::Aria2, Encryption::Required, false, &[Method::Rc4]),
        );
    }

    #[tokio::test]
    async fn rtorrent() {
        tokio::join!(
            dial(Client::Rtorrent, Encryption::Never, true, &[]),
            dial(Client::Rtorrent, Encryption::Handshake, false, &[Method::Plaintext, Method::Rc4]),
            dial(Client::Rtorrent, Encryption::Required, false, &[Method::Rc4]),
        );
    }

    #[tokio::test]
    async fn transmission() {
        tokio::join!(
            dial(Client::Transmission, Encryption::AsAlways, true, &[Method::Rc4, Method::Plaintext]),
            dial(Client::Transmission, Encryption::Handshake, true, &[Method::Plaintext, Method::Rc4]),
            dial(Client::Transmission, Encryption::Required, false, &[Method::Rc4]),
        );
    }

    /// `select` is what it likes, the best first.
    async fn dial(client: Client, encryption: Encryption, takes_plain: bool, select: &[Method]) -> Option<()> {
        let setting = Setting::new(false)?;
        let (_seed, peer) = setting.seed("seed", client, Manner { encryption, ..Manner::default() })?;
        let mut numbers = (1..=u8::MAX).cycle();
        if takes_plain {
            let outcome = patiently(async || setting.dial(peer, PLAIN, numbers.next().unwrap()).await).await;
            assert_eq!(outcome.unwrap(), None, "{encryption:?}");
        }
        for (methods, early) in METHODS.into_iter().flat_map(|methods| [(methods, true), (methods, false)]) {
            let how = Dial { methods: Some(methods), early };
            let expected = select.iter().copied().find(|method| allows(methods, *method));
            // Transmission 3 takes an initial payload for plain text if it selects that, and hangs up.
            if client == Client::Transmission && early && expected == Some(Method::Plaintext) {
                continue;
            }
            let mut attempt = async || setting.dial(peer, how, numbers.next().unwrap()).await;
            match expected {
                Some(_) => assert_eq!(patiently(attempt).await.unwrap(), expected, "{encryption:?} {how:?}"),
                None => assert_left(attempt().await),
            }
        }
        if !takes_plain {
            assert_left(setting.dial(peer, PLAIN, numbers.next().unwrap()).await);
        }
        Some(())
    }
}

/// As leeches.
mod they_dial {
    use super::*;

    #[tokio::test]
    async fn aria2() {
        tokio::join!(
            are_dialled(Client::Aria2, Encryption::AsAlways, None, None),
            are_dialled(Client::Aria2, Encryption::Handshake, PLAINTEXT, Some(Method::Plaintext)),
            are_dialled(Client::Aria2, Encryption::Required, RC4, Some(Method::Rc4)),
        );
    }

    #[tokio::test]
    async fn rtorrent() {
        tokio::join!(
            are_dialled(Client::Rtorrent, Encryption::Never, None, None),
            are_dialled(Client::Rtorrent, Encryption::Handshake, PLAINTEXT, Some(Method::Plaintext)),
            are_dialled(Client::Rtorrent, Encryption::Required, RC4, Some(Method::Rc4)),
        );
    }

    /// It provides RC4 alone when it dials, whatever it prefers.
    #[tokio::test]
    async fn transmission() {
        tokio::join!(
            are_dialled(Client::Transmission, Encryption::Handshake, None, None),
            are_dialled(Client::Transmission, Encryption::AsAlways, PLAINTEXT, Some(Method::Rc4)),
            are_dialled(Client::Transmission, Encryption::Required, RC4, Some(Method::Rc4)),
        );
    }

    /// What we prefer.
    const PLAINTEXT: Option<Methods> = Some(Methods::PreferPlaintext);
    const RC4: Option<Methods> = Some(Methods::PreferRc4);

    async fn are_dialled(
        client: Client,
        encryption: Encryption,
        ours: Option<Methods>,
        expected: Option<Method>,
    ) -> Option<()> {
        let setting = Setting::new(client.needs_tracker())?;
        let manner = Manner { encryption, ..Manner::default() };
        let (method, _) = setting.is_dialled_by(client, "leech", manner, ours).await?.unwrap();
        assert_eq!(method, expected, "{client} {encryption:?}");
        Some(())
    }
}
