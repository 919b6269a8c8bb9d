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
    let magnet = parse(&format!("magnet:?xt=urn:btih:{HEX}&a b=c\u{85}\u{3000}d\"&d=")).unwrap();
    assert_eq!(magnet.other, [("a%20b".into(), "c%C2%85%E3%80%80d%22".into()), ("d".into(), String::new())]);
    assert_eq!(parse(&magnet.to_string()), Ok(magnet));
}

#[test]
fn what_is_no_link_to_a_torrent_says_why() {
    use MagnetError::*;
    for (text, error) in [
        (String::new(), NotMagnet),
        ("magnet:".into(), NotMagnet),
        ("a name.torrent".into(), NotMagnet),
        ("http://x/?xt=urn:btih:0".into(), NotMagnet),
        ("magnet:?".into(), NoInfoHash),
        ("magnet:?xt=urn:sha1:X".into(), NoInfoHash),
        (format!("magnet:?xt=urn:btih:{}", &HEX[1..]), InfoHash { topic: 1, fault: HashError::Length { found: 39 } }),
        (
            format!("magnet:?xt=urn:sha1:X&xt=urn:btih:{}", HEX.replace('9', "g")),
            InfoHash { topic: 2, fault: HashError::Digit { found: 'g', place: 3, base: 16 } },
        ),
        ("magnet:?xt=urn:btmh:1220ff".into(), InfoHash { topic: 1, fault: HashError::Length { found: 6 } }),
        ("magnet:?xt=urn:btmh:1114ff".into(), InfoHash { topic: 1, fault: HashError::Multihash }),
        (format!("magnet:?xt=urn:btih:{}", &V2[4..]), InfoHash { topic: 1, fault: HashError::V2 }),
        (HEX[1..].into(), InfoHash { topic: 0, fault: HashError::Length { found: 39 } }),
        (format!("magnet:?xt=urn:btih:{HEX}\nmagnet:?xt=urn:btih:{HEX}"), SeveralLinks { found: 2 }),
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

/// What links become on their way through pages, mails and chats. Each has the right value beside it.
#[test]
fn links_are_read_as_people_paste_them() {
    let plain = |name: &str, trackers: &[&str]| {
        let mut magnet = Magnet::new(HEX.parse::<InfoHash>().unwrap());
        magnet.name = Some(name.to_owned()).filter(|name| !name.is_empty());
        magnet.trackers = trackers.iter().map(|url| (*url).to_owned()).collect();
        magnet
    };
    let t = "udp://tracker.example:6969";
    let whole = format!("magnet%3A%3Fxt%3Durn%3Abtih%3A{HEX}%26dn%3DA%2520b");
    for (link, expected) in [
        (format!("magnet:?xt=urn:btih:{HEX}&dn=Some Show #1 Pilot&tr={t}"), plain("Some Show #1 Pilot", &[t])),
        (format!("magnet:?xt=urn:btih:{HEX}&dn=Owl&#039;s+Nest&tr={t}"), plain("Owl's Nest", &[t])),
        (format!("magnet:?xt=urn:btih:{HEX}&amp;dn=Foo&amp;tr={t}"), plain("Foo", &[t])),
        (format!("magnet:?xt=urn:btih:{HEX}&amp;amp;dn=Foo&amp;amp;tr={t}"), plain("Foo", &[t])),
        (format!("magnet:?xt=urn:btih:{HEX}&#38;dn=Foo&#x26;tr={t}"), plain("Foo", &[t])),
        (format!("magnet:?xt=urn:btih:{HEX}&dn=Tom&Jerry&tr={t}"), plain("Tom&Jerry", &[t])),
        (format!("magnet:?xt=urn:btih:{HEX}&dn=Tom &amp; Jerry&tr={t}"), plain("Tom & Jerry", &[t])),
        (format!("MAGNET:?XT=urn:btih:{HEX}&DN=Foo&TR.1={t}"), plain("Foo", &[t])),
        (format!("\u{a0}magnet:?xt=urn:btih:{HEX}&dn=Foo\u{a0}"), plain("Foo", &[])),
        (format!("\u{feff}magnet:?xt=urn:btih:{HEX}&dn=Foo\n"), plain("Foo", &[])),
        (format!("\u{200b}\"magnet:?xt=urn:btih:{HEX}&dn=Foo\""), plain("Foo", &[])),
        (format!("<magnet:?xt=urn:btih:{HEX}&dn=Foo>"), plain("Foo", &[])),
        (format!("magnet:?xt=urn:btih:{HEX}&dn=Foo\">"), plain("Foo", &[])),
        (format!("URL=magnet:?xt=urn:btih:{HEX}&dn=Foo"), plain("Foo", &[])),
        (format!("magnet:?xt=urn:btih:{}\r\n{}&dn=Fo\r\no&tr={t}", &HEX[..20], &HEX[20..]), plain("Foo", &[t])),
        (format!("> magnet:?xt=urn:btih:{}\n>  {}&dn=Foo", &HEX[..20], &HEX[20..]), plain("Foo", &[])),
        (format!("magnet:?xt=urn:btih:\n{HEX}\n&dn=Foo"), plain("Foo", &[])),
        (format!("magnet:?xt=urn:btih:{HEX}&am\np;dn=Foo"), plain("Foo", &[])),
        (format!("magnet:?xt=urn:btih:{HEX} &dn=Foo"), plain("Foo", &[])),
        (format!("magnet://?xt=urn:btih:{HEX}&dn=Foo"), plain("Foo", &[])),
        (format!("magnet:xt=urn:btih:{HEX}&dn=Foo"), plain("Foo", &[])),
        (whole, plain("A b", &[])),
        (format!("magnet:%3Fxt%3Durn:btih:{HEX}"), plain("", &[])),
        (format!("magnet:?xt=urn:btih:{HEX}&tr=&dn=&ws=%20"), plain("", &[])),
        (
            format!("magnet:?xt=urn:btih:{HEX}&tr={t}%2Chttp%3A%2F%2Fb.example/a%20udp://c:1"),
            plain("", &[t, "http://b.example/a", "udp://c:1"]),
        ),
        (format!("magnet:?xt=urn:btih:{HEX}&tr=http://a/?x=1,2"), plain("", &["http://a/?x=1,2"])),
        (HEX.to_owned(), plain("", &[])),
        (format!(" {}\r\n", HEX.to_uppercase()), plain("", &[])),
        (format!("\"urn:btih:{HEX}\""), plain("", &[])),
        ("ICIMHQVDSSSJS5G7XPZM46WQ3M6N5XOX".to_owned(), plain("", &[])),
    ] {
        assert_eq!(parse(&link), Ok(expected.clone()), "{link}");
        assert_eq!(parse(&expected.to_string()), Ok(expected), "{link}");
    }
    assert_eq!(parse(&V2[4..]).unwrap().info_hashes.v2().unwrap().to_string(), V2[4..]);
    assert_eq!(parse(V2).unwrap().info_hashes.v2().unwrap().to_string(), V2[4..]);
}

#[test]
fn long_hostile_texts_take_no_time() {
    for part in ["&amp;", "magnet:?", "magnet:?\n", "&#38;", "\"<(", "a,", ",http://", "\n>", "xt=", "&dn=x&y"] {
        let text = part.repeat(200_000 / part.len());
        let _answer = parse(&text);
        let _answer = parse(&format!("magnet:?xt=urn:btih:{HEX}&tr={text}"));
        let _links = links(&text);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:/?&=+% #.]{0,40}", "\\PC{0,20}", "[&;#0-9amp\"\n\u{a0}<>]{0,20}"]
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
        magnet.name = name.filter(|name| !name.is_empty());
        magnet.length = length;
        magnet.selection = selection.map(|ranges| ranges.into_iter().map(|(first, more)| first..=first + more).collect());
        // No address is empty, has spaces around it or another address in it.
        let clean = |url: String| addresses(&url).next().map(str::to_owned);
        let lists: Vec<Vec<String>> = lists.into_iter().map(|list| list.into_iter().filter_map(clean).collect()).collect();
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
