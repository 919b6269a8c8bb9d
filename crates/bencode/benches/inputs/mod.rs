//! The inputs of the benchmarks, made the same way every time: a torrent, a huge torrent, and DHT packets.

use std::fmt::Write as _;

/// Bytes without structure, as hashes are.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let step = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(step).take(length).collect()
}

fn string(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    out.extend(bytes.len().to_string().bytes());
    out.push(b':');
    out.extend(bytes);
}

/// A multi-file v1 torrent: BEP 3, BEP 12, BEP 19.
fn multi_file(files: usize, pieces: usize, brief: bool) -> Vec<u8> {
    let mut out = b"d".to_vec();
    string(&mut out, "announce");
    string(&mut out, "udp://tracker.opentrackr.org:1337/announce");
    string(&mut out, "announce-list");
    out.push(b'l');
    for tier in [
        "udp://tracker.opentrackr.org:1337/announce",
        "udp://open.demonii.com:1337/announce",
        "https://torrent.ubuntu.com/announce",
    ] {
        out.push(b'l');
        string(&mut out, tier);
        out.push(b'e');
    }
    out.push(b'e');
    string(&mut out, "comment");
    string(&mut out, "A torrent like any other");
    string(&mut out, "created by");
    string(&mut out, "mktorrent 1.1");
    string(&mut out, "creation date");
    out.extend(b"i1714063452e");
    string(&mut out, "info");
    out.push(b'd');
    string(&mut out, "files");
    out.push(b'l');
    let mut name = String::new();
    for file in 0..files {
        out.push(b'd');
        string(&mut out, "length");
        name.clear();
        if brief {
            out.extend(b"i0e");
            let _ = write!(name, "{file:x}");
        } else {
            out.extend(format!("i{}e", 1000 + file * 7919 * 31 % 90_000_000).bytes());
            let _ = write!(name, "{file:02} - Some episode.{}", if file % 2 == 0 { "mkv" } else { "srt" });
        }
        string(&mut out, "path");
        out.push(b'l');
        if !brief && file % 3 > 0 {
            string(&mut out, format!("Season {:02}", file % 7));
        }
        string(&mut out, &name);
        out.extend(b"ee");
    }
    out.push(b'e');
    string(&mut out, "name");
    string(&mut out, "Some Series (2024) [1080p]");
    string(&mut out, "piece length");
    out.extend(b"i1048576e");
    string(&mut out, "pieces");
    string(&mut out, noise(1, pieces * 20));
    string(&mut out, "private");
    out.extend(b"i1e");
    out.push(b'e');
    string(&mut out, "url-list");
    out.push(b'l');
    string(&mut out, "https://example.com/files/");
    out.extend(b"ee");
    out
}

/// (a) About 36 KiB: 32 files, 1,700 pieces.
pub(crate) fn torrent() -> Vec<u8> {
    multi_file(32, 1_700, false)
}

/// (b) About 2.8 MB: 100,000 files, nearly nothing but structure.
pub(crate) fn huge_torrent() -> Vec<u8> {
    multi_file(100_000, 100, true)
}

/// (c) BEP 5 § "ping".
pub(crate) fn ping() -> Vec<u8> {
    let mut out = b"d1:ad2:id20:".to_vec();
    out.extend(noise(2, 20));
    out.extend(b"e1:q4:ping1:t2:aa1:v4:LT\x01\x021:y1:qe");
    out
}

/// (c) BEP 5 § "find_node": a reply with 8 nodes.
pub(crate) fn find_node() -> Vec<u8> {
    let mut out = b"d2:ip6:\x01\x02\x03\x04\x1a\xe11:rd2:id20:".to_vec();
    out.extend(noise(3, 20));
    out.extend(b"5:nodes208:");
    out.extend(noise(4, 208));
    out.extend(b"e1:t2:aa1:v4:LT\x01\x021:y1:re");
    out
}

/// (c) BEP 5 § "get_peers": a reply with a token, 8 nodes and 50 peers.
pub(crate) fn get_peers() -> Vec<u8> {
    let mut out = b"d2:ip6:\x01\x02\x03\x04\x1a\xe11:rd2:id20:".to_vec();
    out.extend(noise(5, 20));
    out.extend(b"5:nodes208:");
    out.extend(noise(6, 208));
    out.extend(b"5:token4:abcd6:valuesl");
    for peer in 0..50 {
        string(&mut out, noise(7 + peer, 6));
    }
    out.extend(b"ee1:t2:aa1:v4:LT\x01\x021:y1:re");
    out
}
