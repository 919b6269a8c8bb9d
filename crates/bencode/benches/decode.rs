//! How long decoding takes. Beside the other crates: `benches/compare`.

mod inputs;

use divan::{Bencher, black_box, counter::BytesCount};
use torrent_bencode::{Decoder, Document, Options, Value};

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

#[divan::bench(args = INPUTS)]
fn document(bencher: Bencher<'_, '_>, name: &str) {
    let input = input(name);
    bencher
        .counter(BytesCount::of_slice(&input))
        .bench_local(|| Document::decode(black_box(&input), &Options::strict()).is_ok());
}

#[divan::bench(args = INPUTS)]
fn document_lenient(bencher: Bencher<'_, '_>, name: &str) {
    let input = input(name);
    bencher
        .counter(BytesCount::of_slice(&input))
        .bench_local(|| Document::decode(black_box(&input), &Options::lenient()).is_ok());
}

#[divan::bench(args = INPUTS)]
fn decoder(bencher: Bencher<'_, '_>, name: &str) {
    let input = input(name);
    let mut decoder = Decoder::new(Options::strict());
    bencher.counter(BytesCount::of_slice(&input)).bench_local(|| decoder.decode(black_box(&input)).is_ok());
}

#[divan::bench(args = INPUTS)]
fn value(bencher: Bencher<'_, '_>, name: &str) {
    let input = input(name);
    bencher.counter(BytesCount::of_slice(&input)).bench_local(|| Value::decode(black_box(&input)));
}

#[divan::bench(args = INPUTS)]
fn encode_value(bencher: Bencher<'_, '_>, name: &str) {
    let input = input(name);
    let value = Value::decode(&input).expect("inputs are canonical");
    bencher.counter(BytesCount::of_slice(&input)).bench_local(|| black_box(&value).encode());
}
