//! One kind of decoding, some times over, for `valgrind --tool=callgrind`: `once CRATE INPUT TIMES`.

#[path = "../../inputs/mod.rs"]
mod inputs;

use std::hint::black_box;

use torrent_bencode_compare::{OwnedPacket, OwnedTorrent, Packet, Torrent};

fn main() {
    let [which, name, times] = std::env::args().skip(1).collect::<Vec<_>>().try_into().expect("CRATE INPUT TIMES");
    let input = match &*name {
        "torrent" => inputs::torrent(),
        "huge_torrent" => inputs::huge_torrent(),
        "ping" => inputs::ping(),
        "find_node" => inputs::find_node(),
        _ => inputs::get_peers(),
    };
    let torrent = name.ends_with("torrent");
    for _ in 0..times.parse().expect("a number") {
        let input = black_box(&input[..]);
        macro_rules! decode {
            ($from:path, $lent:ty, $owned:ty) => {
                if which.ends_with("owned") {
                    let value: Result<$owned, _> = $from(input);
                    assert!(black_box(value).is_ok());
                } else {
                    let value: Result<$lent, _> = $from(input);
                    assert!(black_box(value).is_ok());
                }
            };
            ($from:path) => {
                if torrent { decode!($from, Torrent<'_>, OwnedTorrent) } else { decode!($from, Packet<'_>, OwnedPacket) }
            };
        }
        match which.split('_').next() {
            Some("ours") => decode!(torrent_bencode::serde::from_bytes),
            Some("rqbit") => decode!(librqbit_bencode::from_bytes),
            Some("bt") => decode!(bt_bencode::from_slice),
            _ => panic!("which?"),
        }
    }
}
