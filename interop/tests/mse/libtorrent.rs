//! libtorrent, in both directions and under every policy and level that it has.

use torrent_interop::LibtorrentEncryption;

use super::*;

const LEVELS: [&str; 3] = ["pe_plaintext", "pe_rc4", "pe_both"];

const DEFAULT: LibtorrentEncryption = LibtorrentEncryption {
    out_enc_policy: "pe_forced",
    in_enc_policy: "pe_forced",
    allowed_enc_level: "pe_both",
    prefer_rc4: false,
};

#[tokio::test]
async fn we_dial_it() {
    dial_all().await;
}

async fn dial_all() -> Option<()> {
    let setting = Setting::new(false)?;
    let mut numbers = (1..=u8::MAX).cycle();
    for in_enc_policy in ["pe_enabled", "pe_forced"] {
        for (allowed_enc_level, prefer_rc4) in LEVELS.into_iter().flat_map(|level| [(level, false), (level, true)]) {
            let theirs = LibtorrentEncryption { in_enc_policy, allowed_enc_level, prefer_rc4, ..DEFAULT };
            let (_seed, peer) = setting.seed("seed", Client::Libtorrent, manner(theirs))?;
            for ours in METHODS {
                let mut attempt = async || setting.dial(peer, obfuscated(ours), numbers.next().unwrap()).await;
                match selects(theirs, ours) {
                    Some(expected) => {
                        assert_eq!(patiently(attempt).await.unwrap(), Some(expected), "{theirs:?} {ours:?}");
                    }
                    None => assert_left(attempt().await),
                }
            }
            let mut plain = async || setting.dial(peer, PLAIN, numbers.next().unwrap()).await;
            if in_enc_policy == "pe_forced" {
                assert_left(plain().await);
            } else {
                assert_eq!(patiently(plain).await.unwrap(), None);
            }
        }
    }
    Some(())
}

#[tokio::test]
async fn without_encryption_it_hangs_up_and_takes_plain() {
    hangs_up_and_takes_plain().await;
}

async fn hangs_up_and_takes_plain() -> Option<()> {
    let setting = Setting::new(false)?;
    let theirs = LibtorrentEncryption { in_enc_policy: "pe_disabled", ..DEFAULT };
    let (_seed, peer) = setting.seed("seed", Client::Libtorrent, manner(theirs))?;
    let mut numbers = 1..;
    assert_eq!(patiently(async || setting.dial(peer, PLAIN, numbers.next().unwrap()).await).await.unwrap(), None);
    for ours in METHODS {
        assert_left(setting.dial(peer, obfuscated(ours), numbers.next().unwrap()).await);
    }
    Some(())
}

#[tokio::test]
async fn it_hangs_up_on_whoever_asks_for_a_torrent_it_has_not() {
    asks_for_another().await;
}

async fn asks_for_another() -> Option<()> {
    let setting = Setting::new(false)?;
    let (_seed, peer) = setting.seed("seed", Client::Libtorrent, manner(DEFAULT))?;
    let dial = obfuscated(Methods::PreferRc4);
    assert!(patiently(async || setting.dial(peer, dial, 1).await).await.is_ok(), "it is ready");
    let another =
        Initiator::new(Instant::now().into(), InfoHash::new([1; 20]), Methods::PreferRc4, &[1; 32], &[]).unwrap();
    assert_left(connect(TcpStream::connect(peer).await.unwrap(), another).await);
    Some(())
}

#[tokio::test]
async fn it_dials_us() {
    tokio::join!(is_dialled("pe_enabled"), is_dialled("pe_forced"));
}

async fn is_dialled(out_enc_policy: &'static str) -> Option<()> {
    let setting = Setting::new(false)?;
    for (allowed_enc_level, ours) in LEVELS.into_iter().flat_map(|level| METHODS.map(|ours| (level, ours))) {
        let theirs = LibtorrentEncryption { out_enc_policy, allowed_enc_level, ..DEFAULT };
        let home = format!("{allowed_enc_level} {ours:?}");
        let outcome = setting.is_dialled_by(Client::Libtorrent, &home, manner(theirs), Some(ours)).await?;
        match (selected_by(theirs, ours), outcome) {
            (Some(expected), Ok((method, opinion))) => {
                assert_eq!(method, Some(expected), "{theirs:?} {ours:?}");
                let word = if expected == Method::Rc4 { "rc4" } else { "plaintext" };
                assert_eq!(opinion, format!("connected {word} {ADDRESS}"), "{theirs:?} {ours:?}");
            }
            (None, Err(HandshakeError::Handshake(Error::NoCommonMethod { .. }))) => {}
            (expected, other) => panic!("{theirs:?} {ours:?}: {other:?} instead of {expected:?}"),
        }
    }
    Some(())
}

#[tokio::test]
async fn it_dials_us_in_plain_on_the_same_port() {
    is_dialled_in_plain().await;
}

async fn is_dialled_in_plain() -> Option<()> {
    let setting = Setting::new(false)?;
    // With `pe_enabled` it does so when the encrypted connection has failed.
    for out_enc_policy in ["pe_disabled", "pe_enabled"] {
        let theirs = LibtorrentEncryption { out_enc_policy, ..DEFAULT };
        let outcome = setting.is_dialled_by(Client::Libtorrent, out_enc_policy, manner(theirs), None).await?;
        assert_eq!(outcome.unwrap(), (None, format!("connected plain {ADDRESS}")));
    }
    Some(())
}

fn manner(encryption: LibtorrentEncryption) -> Manner {
    Manner { libtorrent: Some(encryption), ..Manner::default() }
}

/// What it and we shall agree on, if we provide what it wants.
fn selects(theirs: LibtorrentEncryption, ours: Methods) -> Option<Method> {
    let order = match (theirs.allowed_enc_level, theirs.prefer_rc4) {
        ("pe_plaintext", _) => &[Method::Plaintext][..],
        ("pe_rc4", _) => &[Method::Rc4],
        (_, true) => &[Method::Rc4, Method::Plaintext],
        (_, false) => &[Method::Plaintext, Method::Rc4],
    };
    order.iter().copied().find(|&method| allows(ours, method))
}

/// What we and it shall agree on, if it provides what we want.
fn selected_by(theirs: LibtorrentEncryption, ours: Methods) -> Option<Method> {
    let order = match ours {
        Methods::PreferRc4 => [Method::Rc4, Method::Plaintext],
        _ => [Method::Plaintext, Method::Rc4],
    };
    let provides = |method| match theirs.allowed_enc_level {
        "pe_plaintext" => method == Method::Plaintext,
        "pe_rc4" => method == Method::Rc4,
        _ => true,
    };
    order.into_iter().find(|&method| allows(ours, method) && provides(method))
}
