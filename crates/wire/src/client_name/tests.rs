use proptest::prelude::*;

use super::*;

fn named(beginning: &[u8]) -> String {
    let mut id = [b'x'; 20];
    id[..beginning.len()].copy_from_slice(beginning);
    client_name(&PeerId::new(id)).map_or_else(String::new, |name| name.to_string())
}

#[test]
fn well_known_clients_are_named_with_their_versions() {
    for (id, expected) in [
        (&b"-AZ8421-"[..], "Vuze 8.4.2.1"),
        (b"-BC0241-", "BitComet 2.41"),
        (b"-BI2300-", "BiglyBT 2.3.0.0"),
        (b"-BL246326", "BitLord 2.4.6-326"),
        (b"-BN0001-", "Baidu Netdisk"),
        (b"-BOWA0C-", "Bits on Wheels 1.0.6"),
        (b"-BT791B-", "BitTorrent 7.9.1 (beta)"),
        (b"-BT791\0-", "BitTorrent 7.9.1"),
        (b"-BW1293-", "BitTorrent Web 1.2.9"),
        (b"-DE13F0-", "Deluge 1.3.15"),
        (b"-DE211s-", "Deluge 2.1.1"),
        (b"-FD51R\xff-", "Free Download Manager 5.1.27"),
        (b"-FD51@\xff-", "Free Download Manager"),
        (b"-FL51FF-", "Folx 5.x"),
        (b"-FW6830-", "FrostWire 6.8.3"),
        (b"-GT0003-", "anacrolix/torrent 0.0.0.3"),
        (b"-KT33D1-", "KTorrent 3.3 (dev 1)"),
        (b"-KT5110-", "KTorrent 5.1.1"),
        (b"-LT2090-", "libtorrent 2.0.9"),
        (b"-LT20B0-", "libtorrent 2.0.11"),
        (b"-LT1234-", "libtorrent 1.2.3.4"),
        (b"-Lr10X0-", "LibreTorrent 1.0.33"),
        (b"-ML2.7.2-", "MLDonkey 2.7.2"),
        (b"-PI0091-", "PicoTorrent 0.09.1"),
        (b"-TR0006-", "Transmission 0.6"),
        (b"-TR0072-", "Transmission 0.72"),
        (b"-TR111Z-", "Transmission 1.11 (dev)"),
        (b"-TR2940-", "Transmission 2.94"),
        (b"-TR3000-", "Transmission 3.00"),
        (b"-TR400B-", "Transmission 4.0.0 (beta)"),
        (b"-TR4100-", "Transmission 4.1.0"),
        (b"-TR4Az0-", "Transmission 4.10.61"),
        (b"-UT341\0-", "µTorrent 3.4.1"),
        (b"-UT355B-", "µTorrent 3.5.5 (beta)"),
        (b"-UW110Q-", "µTorrent Web 1.1.0"),
        (b"-UW1110Q", "µTorrent Web 1.1.10"),
        (b"-WS1000-", "HTTP Seed"),
        (b"-WW0205-", "WebTorrent 2.5"),
        (b"-XF9990-", "Xfplay 9.9.9"),
        (b"-XF9992-", "Xfplay 9.9.92"),
        (b"-lt0D80-", "rTorrent (libTorrent) 0.13.8"),
        (b"-qB33L0-", "qBittorrent 3.3.21"),
        (b"-qB5120-", "qBittorrent 5.1.2"),
        (b"-rQ9100-", "rqbit 9.1.0"),
        (b"A2-1-18-8-", "aria2 1.18.8"),
        (b"A2-1-2-0-", "aria2 1.2.0"),
        (b"AZ2500BT", "BitTyrant"),
        (b"FD6k4SYy9BOU4U4rk3-J", "Free Download Manager 6"),
        (b"M4-3-6--", "BitTorrent 4.3.6"),
        (b"M4-20-8-", "BitTorrent 4.20.8"),
        (b"MG-3.01.4276BOSmDjLj", "MediaGet 3.01"),
        (b"Q1-23-4-", "Queen Bee 1.23.4"),
        (b"S58B-----", "Shad0w 5.8.11"),
        (b"T03I-----", "BitTornado 0.3.18"),
        (b"TIX0193-", "Tixati 1.93"),
        (b"XBT054d-", "XBT Client 0.5.4 (debug)"),
        (b"\0\x03BS", "BitSpirit 3"),
        (b"exbc\0\x38LORD", "BitLord 0.56"),
        (b"exbc\0\x38zD", "BitComet 0.56"),
    ] {
        assert_eq!(named(id), expected, "{}", id.escape_ascii());
    }
}

#[test]
fn an_unknown_client_in_the_usual_style_goes_by_its_code() {
    assert_eq!(named(b"-ZZ1230-"), "ZZ 1.2.3");
    assert_eq!(named(b"-ZZ1234-"), "ZZ 1.2.3.4");
}

#[test]
fn ids_in_no_style_have_no_name() {
    for id in [
        &b""[..],
        b"-ZZ1234x",
        b"-Z\n1234-",
        b"-ZZ12\x1b4-",
        b"M------",
        b"Mxxxxxxx",
        b"A-------",
        b"TIXabcd",
        b"\0\0BS",
    ] {
        assert_eq!(named(id), "", "{}", id.escape_ascii());
    }
    assert_eq!(client_name(&PeerId::new([0xff; 20])), None);
}

#[test]
fn the_table_is_in_order() {
    assert!(table::AZUREUS_STYLE.is_sorted_by(|left, right| left.0 < right.0));
}

proptest! {
    #[test]
    fn hostile_ids_are_shown_printably(id: [u8; 20], known in 0..table::AZUREUS_STYLE.len()) {
        let mut dressed = id;
        dressed[0] = b'-';
        dressed[1..3].copy_from_slice(&table::AZUREUS_STYLE[known].0);
        for id in [id, dressed] {
            let shown = client_name(&PeerId::new(id)).map_or_else(String::new, |name| name.to_string());
            prop_assert!(!shown.chars().any(char::is_control) && shown.len() < 64, "{shown:?}");
        }
    }
}
