use super::*;
use proptest::prelude::*;
use std::net::SocketAddr;

use torrent_types::{InfoHash, InfoHashV2};

const HEX: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";
const V2: &str = "1220caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

fn parse(text: &str) -> Result<Magnet, MagnetError> {
    text.parse()
}

#[test]
fn bep9_link_with_everything() {
    let magnet = parse(&format!(
        "magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:{V2}&dn=A+b%20c%2Bd&xl=10&tr=http%3A%2F%2Fa%2F%3Fx%3D1%2B2&tr.1=udp://b:1\
         &ws=http://w/&xs=http://x&as=http://y&x.pe=[2001:db8::1]:6881&x.pe=host.example:80&x.pe=192.0.2.1:1&so=0,2-4&kt=a+b&x=",
    ))
    .unwrap();
    assert_eq!(magnet.info_hashes.v1().unwrap().to_string(), HEX);
    assert_eq!(magnet.info_hashes.v2().unwrap().to_string(), V2[4..]);
    assert_eq!(magnet.name.as_deref(), Some("A b c+d"));
    assert_eq!(magnet.length, Some(10));
    assert_eq!(magnet.trackers, ["http://a/?x=1+2", "udp://b:1"]);
    assert_eq!(magnet.web_seeds, ["http://w/"]);
    assert_eq!(
        (&*magnet.exact_sources, &*magnet.acceptable_sources),
        (&["http://x".into()][..], &["http://y".into()][..])
    );
    assert_eq!(magnet.peers[0].socket_addr(), Some("[2001:db8::1]:6881".parse().unwrap()));
    assert_eq!(
        (magnet.peers[1].host(), magnet.peers[1].port(), magnet.peers[1].socket_addr()),
        ("host.example", 80, None)
    );
    assert!(magnet.selection.as_ref().is_some_and(|selection| selection.contains(3) && !selection.contains(1)));
    assert_eq!(magnet.other, [("kt".into(), "a+b".into()), ("x".into(), String::new())]);
    assert_eq!(parse(&magnet.to_string()), Ok(magnet));
}

#[test]
fn base32_and_capital_letters_are_understood() {
    let magnet = parse("MAGNET:?xt=URN:BTIH:ICIMHQVDSSSJS5G7XPZM46WQ3M6N5XOX#fragment").unwrap();
    assert_eq!(magnet.info_hashes.v1().unwrap().to_string(), HEX);
    assert_eq!(magnet.to_string(), format!("magnet:?xt=urn:btih:{HEX}"));
}

#[test]
fn topics_of_other_networks_are_kept() {
    let text = format!("magnet:?xt=urn:btih:{HEX}&xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1&xt.1=urn:sha1:X");
    let magnet = parse(&text).unwrap();
    assert_eq!(magnet.other.len(), 2);
    assert_eq!(magnet.to_string(), text);
}

#[test]
fn white_space_in_unknown_parameters_is_escaped() {
    let magnet = parse(&format!("magnet:?xt=urn:btih:{HEX}&a b=c\n\u{3000}&d=")).unwrap();
    assert_eq!(magnet.other, [("a%20b".into(), "c%0A%E3%80%80".into()), ("d".into(), String::new())]);
    assert_eq!(parse(&magnet.to_string()), Ok(magnet));
}

#[test]
fn what_is_no_link_to_a_torrent_says_why() {
    use MagnetError::*;
    for (text, error) in [
        (String::new(), NotMagnet),
        ("magnet:".into(), NotMagnet),
        ("http://x/?xt=urn:btih:0".into(), NotMagnet),
        ("magnet:?".into(), NoInfoHash),
        ("magnet:?xt=urn:sha1:X".into(), NoInfoHash),
        (format!("magnet:?xt=urn:btih:{}", &HEX[1..]), InfoHash),
        ("magnet:?xt=urn:btmh:1220ff".into(), InfoHash),
        ("magnet:?xt=urn:btmh:1114ff".into(), Multihash),
        (format!("magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{}", "0".repeat(40)), TwoTorrents),
        (format!("magnet:?xt=urn:btih:{HEX}&so=x"), Selection),
        (format!("magnet:?xt=urn:btih:{HEX}&dn={}", "x".repeat(MAX_MAGNET_LENGTH)), TooLong),
    ] {
        assert_eq!(parse(&text), Err(error), "{text}");
    }
}

#[test]
fn hints_that_cannot_be_read_are_kept_and_do_no_harm() {
    let text =
        format!("magnet:?xt=urn:btih:{HEX}&x.pe=192.0.2.1:1&x.pe=nowhere&x.pe=2001:db8::1:80&x.pe=a%2Fb:1&xl=long");
    let magnet = parse(&text).unwrap();
    assert_eq!(magnet.peers, ["192.0.2.1:1".parse().unwrap()]);
    assert_eq!(magnet.length, None);
    let kept: Vec<_> = magnet.other.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(kept, [("x.pe", "nowhere"), ("x.pe", "2001:db8::1:80"), ("x.pe", "a%2Fb:1"), ("xl", "long")]);
    assert_eq!(magnet.to_string(), text);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:/?&=+% #.]{0,40}", "\\PC{0,20}"]
}

prop_compose! {
    fn magnet()(
        v1: Option<[u8; 20]>, v2: [u8; 32], both: bool,
        name in prop::option::of(text()), length: Option<u64>,
        selection in prop::option::of(prop::collection::vec((0u64..100, 0u64..10), 1..10)),
        lists in prop::collection::vec(prop::collection::vec(text(), 0..4), 4),
        peers in prop::collection::vec(any::<SocketAddr>(), 0..3),
    ) -> Magnet {
        let v2 = Some(InfoHashV2::new(v2)).filter(|_| v1.is_none() || both);
        let mut magnet = Magnet::new(InfoHashes::new(v1.map(InfoHash::new), v2).unwrap());
        magnet.name = name;
        magnet.length = length;
        magnet.selection = selection.map(|ranges| ranges.into_iter().map(|(first, more)| first..=first + more).collect());
        let [trackers, web_seeds, exact, acceptable] = <[_; 4]>::try_from(lists).unwrap();
        (magnet.trackers, magnet.web_seeds, magnet.exact_sources, magnet.acceptable_sources) = (trackers, web_seeds, exact, acceptable);
        magnet.peers = peers.into_iter().filter_map(|peer| peer.try_into().ok()).collect();
        magnet
    }
}

proptest! {
    #[test]
    fn printing_and_parsing_gives_the_same(magnet in magnet()) {
        prop_assert_eq!(parse(&magnet.to_string()), Ok(magnet));
    }

    #[test]
    fn any_text_parses_or_errs_and_survives_printing(text in "\\PC{0,60}", tail in "[a-z0-9=&%.,+-]{0,80}") {
        let _ = parse(&text);
        if let Ok(magnet) = parse(&format!("magnet:?xt=urn:btih:{HEX}&{tail}")) {
            prop_assert_eq!(parse(&magnet.to_string()), Ok(magnet));
        }
    }
}
