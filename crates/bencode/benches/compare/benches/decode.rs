//! torrent-bencode beside the other bencode crates: same inputs, same run. `cargo bench` in this folder.

#[path = "../../inputs/mod.rs"]
mod inputs;

use divan::{Bencher, black_box};
use serde::Deserialize;

fn main() {
    divan::main();
}

const INPUTS: [&str; 5] = ["torrent", "huge_torrent", "ping", "find_node", "get_peers"];

fn input(name: &str) -> Vec<u8> {
    match name {
        "torrent" => inputs::torrent(),
        "huge_torrent" => inputs::huge_torrent(),
        "ping" => inputs::ping(),
        "find_node" => inputs::find_node(),
        _ => inputs::get_peers(),
    }
}

/// Runs it once to see that it works, and then against the clock.
fn time(bencher: Bencher<'_, '_>, name: &str, decode: impl Fn(&[u8]) -> bool) {
    let input = input(name);
    assert!(decode(&input), "inputs are canonical");
    bencher.bench_local(|| decode(black_box(&input)));
}

/// Any input to whatever the crate has that needs no type: tokens, or a tree of values.
#[divan::bench_group(name = "any")]
mod any {
    use super::*;

    #[divan::bench(args = INPUTS)]
    fn torrent_bencode_document(bencher: Bencher<'_, '_>, name: &str) {
        let options = torrent_bencode::Options::strict();
        time(bencher, name, |input| torrent_bencode::Document::decode(input, &options).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn torrent_bencode_decoder(bencher: Bencher<'_, '_>, name: &str) {
        let decoder = std::cell::RefCell::new(torrent_bencode::Decoder::default());
        time(bencher, name, |input| decoder.borrow_mut().decode(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn torrent_bencode_value(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| torrent_bencode::Value::decode(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn bendy_tokens(bencher: Bencher<'_, '_>, name: &str) {
        // No tree: the tokens are counted and gone.
        time(bencher, name, |input| {
            bendy::decoding::Decoder::new(input).tokens().try_fold(0, |count, token| token.map(|_| count + 1)).is_ok()
        });
    }

    #[divan::bench(args = INPUTS)]
    fn bendy_value(bencher: Bencher<'_, '_>, name: &str) {
        use bendy::decoding::FromBencode as _;
        // `Value::from_bencode` accepts no nested value, so by hand.
        time(bencher, name, |input| {
            let mut decoder = bendy::decoding::Decoder::new(input);
            let object = decoder.next_object().expect("inputs are canonical").expect("there is one");
            bendy::value::Value::decode_bencode_object(object).is_ok()
        });
    }

    #[divan::bench(args = INPUTS)]
    fn bt_bencode_value(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| bt_bencode::from_slice::<bt_bencode::Value>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn librqbit_bencode_value(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| librqbit_bencode::dyn_from_bytes::<librqbit_bencode::ByteBuf<'_>>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn serde_bencode_value(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| serde_bencode::from_bytes::<serde_bencode::value::Value>(input).is_ok());
    }
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, not used")]
struct Torrent<'a> {
    #[serde(borrow)]
    announce: &'a str,
    #[serde(borrow, rename = "announce-list")]
    announce_list: Vec<Vec<&'a str>>,
    #[serde(borrow)]
    info: Info<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, not used")]
struct Info<'a> {
    #[serde(borrow)]
    files: Vec<File<'a>>,
    name: &'a str,
    #[serde(rename = "piece length")]
    piece_length: u32,
    #[serde(with = "serde_bytes")]
    pieces: &'a [u8],
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, not used")]
struct File<'a> {
    length: u64,
    #[serde(borrow)]
    path: Vec<&'a str>,
}

/// For crates that cannot lend from the input.
#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, not used")]
struct OwnedTorrent {
    announce: String,
    #[serde(rename = "announce-list")]
    announce_list: Vec<Vec<String>>,
    info: OwnedInfo,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, not used")]
struct OwnedInfo {
    files: Vec<OwnedFile>,
    name: String,
    #[serde(rename = "piece length")]
    piece_length: u32,
    #[serde(with = "serde_bytes")]
    pieces: Vec<u8>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, not used")]
struct OwnedFile {
    length: u64,
    path: Vec<String>,
}

/// A torrent into a struct.
#[divan::bench_group(name = "serde")]
mod typed {
    use super::*;

    const INPUTS: [&str; 2] = ["torrent", "huge_torrent"];

    #[divan::bench(args = INPUTS)]
    fn torrent_bencode_borrowed(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| torrent_bencode::serde::from_bytes::<Torrent<'_>>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn torrent_bencode_owned(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| torrent_bencode::serde::from_bytes::<OwnedTorrent>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn bendy_owned(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| bendy::serde::from_bytes::<OwnedTorrent>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn bt_bencode_owned(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| bt_bencode::from_slice::<OwnedTorrent>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn librqbit_bencode_borrowed(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| librqbit_bencode::from_bytes::<Torrent<'_>>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn librqbit_bencode_owned(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| librqbit_bencode::from_bytes::<OwnedTorrent>(input).is_ok());
    }

    #[divan::bench(args = INPUTS)]
    fn serde_bencode_owned(bencher: Bencher<'_, '_>, name: &str) {
        time(bencher, name, |input| serde_bencode::from_bytes::<OwnedTorrent>(input).is_ok());
    }
}
