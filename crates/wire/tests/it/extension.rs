//! Payloads of the extensions.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use proptest::prelude::*;
use torrent_wire::{
    ExtendedHandshake, ExtensionId, Extensions, ExtensionsError, Holepunch, HolepunchError, MetadataMessage, Pex,
    PexFlags, PexOutlet,
};

#[test]
fn bep10_handshakes_of_the_wild_are_read() {
    // libtorrent, Transmission, and one whose fields are all of the wrong kind.
    let libtorrent = b"d12:complete_agoi1e4:ipv44:\x0a\x4d\0\x031:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei31235e4:reqqi2000e11:upload_onlyi1e1:v17:libtorrent/2.0.116:yourip4:\x7f\0\0\x01e";
    let handshake = ExtendedHandshake::decode(libtorrent).unwrap();
    assert_eq!((handshake.complete_ago, handshake.ipv4), (Some(1), Some("10.77.0.3".parse().unwrap())));
    assert_eq!(handshake.metadata_size, Some(31235));
    assert_eq!(handshake.reqq, Some(2000));
    assert_eq!(handshake.upload_only, Some(true));
    assert_eq!(handshake.your_ip, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(handshake.extension_id("lt_donthave"), Some(7));

    let transmission = b"d1:ei1e4:ipv616:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x011:md11:ut_metadatai3e6:ut_pexi1ee1:pi51413e4:reqqi512e1:v18:Transmission 4.0.5e";
    let handshake = ExtendedHandshake::decode(transmission).unwrap();
    assert_eq!(handshake.ipv6, Some("2001:db8::1".parse().unwrap()));
    assert_eq!((handshake.listen_port, handshake.prefers_encryption), (Some(51413), Some(true)));

    for nonsense in [&b"d1:mi0e13:metadata_sizei-1e1:pi0e4:reqqi99999999999e1:vle6:yourip3:abce"[..], b"d4:reqqi0ee"] {
        assert_eq!(ExtendedHandshake::decode(nonsense), Ok(ExtendedHandshake::default()));
    }
}

#[test]
fn bep10_what_is_no_dictionary_or_a_monstrous_one_is_refused() {
    let deep = [&b"d1:m"[..], &[b'l'; 100], &[b'e'; 100], b"e"].concat();
    let many = [&b"d1:m"[..], b"l", &b"i1e".repeat(5000), b"e", b"e"].concat();
    for payload in [&b""[..], b"le", b"i1e", b"d", &deep, &many] {
        assert!(ExtendedHandshake::decode(payload).is_err());
    }
}

#[test]
fn the_name_of_a_client_is_cut_short() {
    let payload = [&b"d1:v1000:"[..], &[b'x'; 1000], b"e"].concat();
    assert_eq!(ExtendedHandshake::decode(&payload).unwrap().client.unwrap().len(), 128);
}

#[test]
fn extensions_have_one_name_each_and_are_not_endless() {
    let mut extensions = Extensions::standard();
    assert_eq!(extensions.register("ut_pex"), Err(ExtensionsError::NameTaken));
    for n in 4..32 {
        assert_eq!(extensions.register(format!("x{n}")).unwrap().get(), n + 1);
    }
    assert_eq!(extensions.register("x"), Err(ExtensionsError::TooMany));
    // Numbers stay the same when one is left out.
    let mut few = Extensions::none();
    assert!(few.register("x").unwrap() > ExtensionId::HOLEPUNCH);
}

#[test]
fn bep11_flags_stay_with_their_peers() {
    let payload =
        b"d5:added18:\x01\x02\x03\x04\0\x50\x05\x06\x07\x08\0\0\x09\x0a\x0b\x0c\0\x517:added.f3:\x01\x02\x1ce";
    let added: Vec<_> = Pex::decode(payload).unwrap().added().collect();
    assert_eq!(
        added,
        [
            ("1.2.3.4:80".parse().unwrap(), PexFlags::PREFERS_ENCRYPTION),
            ("9.10.11.12:81".parse().unwrap(), PexFlags::UTP | PexFlags::HOLEPUNCH | PexFlags::REACHABLE),
        ],
        "the one with port 0 is gone, with its flags"
    );
}

#[test]
fn bep11_a_flood_of_peers_is_cut_off() {
    let peers = [1, 2, 3, 4, 0, 80].repeat(5000);
    let payload = [format!("d5:added{}:", peers.len()).as_bytes(), &peers, b"e"].concat();
    assert_eq!(Pex::decode(&payload).unwrap().added().count(), 200);
}

#[test]
fn bep11_fifty_changes_a_minute_and_no_more() {
    let start = crate::now();
    let peer = |n: u16| SocketAddr::from(([10, 0, 0, 1], n));
    let mut outlet = PexOutlet::new();
    for n in 1..=120 {
        outlet.handle_added(start, peer(n), PexFlags::NONE);
    }
    let mut told = Vec::new();
    for minute in 0..3 {
        let now = start + Duration::from_secs(minute * 60);
        assert!(outlet.poll_timeout().is_some_and(|due| due <= now));
        outlet.handle_timeout(now);
        let payload = outlet.poll_payload().unwrap();
        let message = Pex::decode(&payload).unwrap();
        assert!(message.added().count() <= 50);
        told.extend(message.added().map(|(peer, _)| peer));
        outlet.handle_timeout(now + Duration::from_secs(59));
        assert_eq!(outlet.poll_payload(), None);
    }
    assert!(told.into_iter().eq((1..=120).map(peer)), "each once");
    assert_eq!(outlet.poll_timeout(), None, "nothing is left to tell");
}

#[test]
fn bep11_peers_that_come_and_go_between_two_messages_are_not_told_of() {
    let (start, mut outlet) = (crate::now(), PexOutlet::new());
    let [here, there] = [1, 2].map(|n| SocketAddr::from(([10, 0, 0, 1], n)));
    outlet.handle_added(start, here, PexFlags::NONE);
    outlet.handle_dropped(start, here);
    assert_eq!((outlet.poll_timeout(), outlet.poll_payload()), (None, None));
    // One of whom we know more is told of again, with all that we know.
    outlet.handle_added(start, there, PexFlags::NONE);
    outlet.handle_added(start, there, PexFlags::UPLOAD_ONLY);
    let payload = outlet.poll_payload().unwrap();
    assert!(Pex::decode(&payload).unwrap().added().eq([(there, PexFlags::UPLOAD_ONLY)]));
}

#[test]
fn bep11_what_waits_to_be_told_is_bounded() {
    let (start, mut outlet) = (crate::now(), PexOutlet::new());
    let peer = |n: u16| SocketAddr::from((Ipv6Addr::LOCALHOST, n));
    for n in 1..60_000 {
        outlet.handle_dropped(start, peer(n));
        outlet.handle_added(start, peer(n + 1), PexFlags::NONE);
    }
    let (mut added, mut dropped) = (0, 0);
    while let Some(due) = outlet.poll_timeout() {
        outlet.handle_timeout(due);
        let payload = outlet.poll_payload().expect("it is time, and there are news");
        let message = Pex::decode(&payload).unwrap();
        added += message.added().count();
        dropped += message.dropped().count();
    }
    assert!(added <= 200 && dropped <= 200, "{added} {dropped}");
}

#[test]
fn bep55_messages_have_these_bytes() {
    let v4 = Holepunch::Connect("1.2.3.4:258".parse().unwrap());
    assert_eq!(v4.encode(), b"\x01\x00\x01\x02\x03\x04\x01\x02\0\0\0\0");
    let v6 = Holepunch::Error("[::1]:258".parse().unwrap(), HolepunchError::NoSupport);
    assert_eq!(v6.encode(), b"\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x02\0\0\0\x03");
    assert_eq!(Holepunch::decode(&v4.encode()[..8]), Ok(v4), "without the code");
    for payload in [
        &b""[..],
        b"\0",
        b"\x02\x00\x01\x02\x03\x04\x01\x02",
        b"\x03\x00\x01\x02\x03\x04\x01\x02",
        b"\0\x02\x01\x02\x03\x04\x01\x02",
    ] {
        assert!(Holepunch::decode(payload).is_err(), "{payload:?}");
    }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = (any::<[u8; 4]>(), 1u16..).prop_map(|(ip, port)| SocketAddr::from((ip, port)));
    let v6 = (any::<[u8; 16]>(), 1u16..).prop_map(|(ip, port)| SocketAddr::from((ip, port)));
    prop_oneof![v4, v6.prop_filter("mapped addresses become IPv4", |peer| peer.ip().to_canonical() == peer.ip())]
}

proptest! {
    #[test]
    fn pex_round_trips(added in proptest::collection::vec((address(), any::<u8>()), 0..50), dropped in proptest::collection::vec(address(), 0..50)) {
        let added: Vec<_> = added.into_iter().map(|(peer, flags)| (peer, PexFlags::from_bits(flags))).collect();
        let payload = Pex::encode(added.iter().copied(), dropped.iter().copied());
        let message = Pex::decode(&payload).unwrap();
        let v4_first = |peers: Vec<SocketAddr>| { let (mut v4, v6): (Vec<_>, Vec<_>) = peers.into_iter().partition(SocketAddr::is_ipv4); v4.extend(v6); v4 };
        prop_assert_eq!(message.dropped().collect::<Vec<_>>(), v4_first(dropped));
        prop_assert_eq!(message.added().map(|(peer, _)| peer).collect::<Vec<_>>(), v4_first(added.iter().map(|(peer, _)| *peer).collect()));
        prop_assert!(message.added().all(|entry| added.contains(&entry)));
    }

    #[test]
    fn holepunch_round_trips(peer in address(), kind in 0u8..3, code in any::<u32>()) {
        let payload = match kind {
            0 => Holepunch::Rendezvous(peer),
            1 => Holepunch::Connect(peer),
            _ => Holepunch::decode(&[&Holepunch::Error(peer, HolepunchError::NoSelf).encode()[..if peer.is_ipv4() { 8 } else { 20 }], &code.to_be_bytes()].concat()).unwrap(),
        };
        prop_assert_eq!(Holepunch::decode(&payload.encode()), Ok(payload));
    }

    #[test]
    fn handshakes_round_trip(numbers in any::<[Option<u32>; 3]>(), port in proptest::option::of(1u16..), flags in any::<[Option<bool>; 2]>(), ip in proptest::option::of(address()), v4 in any::<Option<[u8; 4]>>(), v6 in any::<Option<[u8; 16]>>()) {
        let mut handshake = ExtendedHandshake::default();
        (handshake.ipv4, handshake.ipv6) = (v4.map(Ipv4Addr::from), v6.map(Ipv6Addr::from));
        [handshake.complete_ago, handshake.reqq, handshake.metadata_size] = numbers;
        handshake.metadata_size = handshake.metadata_size.filter(|size| *size != 0);
        handshake.reqq = handshake.reqq.filter(|requests| *requests != 0);
        handshake.listen_port = port;
        [handshake.prefers_encryption, handshake.upload_only] = flags;
        handshake.your_ip = ip.map(|peer| peer.ip());
        handshake.client = Some("torrent 0.1".into());
        let payload = handshake.encode([("ut_pex", 2), ("a", 1)]);
        let decoded = ExtendedHandshake::decode(&payload).unwrap();
        prop_assert_eq!(decoded.extension_id("ut_pex"), Some(2));
        prop_assert_eq!(decoded.encode([("a", 1), ("ut_pex", 2)]), payload.clone());
        let fields = |h: &ExtendedHandshake<'_>| (
            (h.complete_ago, h.prefers_encryption, h.ipv4, h.ipv6, h.listen_port),
            (h.metadata_size, h.reqq, h.upload_only, h.your_ip, h.client.clone().map(String::from)),
        );
        prop_assert_eq!(fields(&decoded), fields(&handshake));
    }

    #[test]
    fn metadata_round_trips(piece in any::<u32>(), total_size in any::<u32>(), data in proptest::collection::vec(any::<u8>(), 0..50)) {
        for message in [MetadataMessage::Request { piece }, MetadataMessage::Reject { piece }, MetadataMessage::Data { piece, total_size, data: &data }] {
            let payload = message.encode();
            prop_assert_eq!(MetadataMessage::decode(&payload), Ok(message));
        }
    }

    #[test]
    fn any_payload_is_survived(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (ExtendedHandshake::decode(&payload), Pex::decode(&payload), MetadataMessage::decode(&payload), Holepunch::decode(&payload));
    }
}
