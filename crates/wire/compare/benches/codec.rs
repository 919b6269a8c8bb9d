//! The same two streams through our codec and through rqbit's.

#[path = "../../benches/codec/stream.rs"]
mod stream;

use std::hint::black_box;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use librqbit_peer_protocol as rqbit;
use torrent_wire::{MAX_FRAME, Message, Messages};

fn main() {
    divan::main();
}

fn named(name: &str) -> (Vec<Message<'static>>, Vec<u8>) {
    let messages = if name == "download" { stream::download() } else { stream::requests() };
    let bytes = stream::encode(&messages);
    (messages, bytes)
}

#[divan::bench(args = ["download", "requests"])]
fn decoding_ours(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        for message in Messages::new(black_box(&bytes), MAX_FRAME) {
            black_box(message.unwrap().1);
        }
    });
}

#[divan::bench(args = ["download", "requests"])]
fn decoding_rqbit(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        let mut rest = &black_box(&bytes)[..];
        while !rest.is_empty() {
            let (message, taken) = rqbit::Message::deserialize(rest, &[]).unwrap();
            black_box(message);
            rest = &rest[taken..];
        }
    });
}

#[divan::bench(args = ["download", "requests"])]
fn encoding_ours(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    let mut out = Vec::with_capacity(bytes.len());
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        out.clear();
        black_box(&messages).iter().for_each(|message| message.encode(&mut out));
        black_box(out.len())
    });
}

#[divan::bench(args = ["download", "requests"])]
fn encoding_rqbit(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    let messages: Vec<_> = messages.iter().map(theirs).collect();
    let mut out = vec![0; bytes.len()];
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        let mut end = 0;
        for message in black_box(&messages) {
            end += message.serialize(&mut out[end..], &Default::default).unwrap();
        }
        assert_eq!(end, bytes.len());
        black_box(end)
    });
}

fn theirs<'a>(message: &Message<'a>) -> rqbit::Message<'a> {
    let request =
        |block: &torrent_wire::RawBlock| rqbit::Request { index: block.piece, begin: block.begin, length: block.length };
    match message {
        Message::Unchoke => rqbit::Message::Unchoke,
        Message::Interested => rqbit::Message::Interested,
        Message::Have(piece) => rqbit::Message::Have(*piece),
        Message::Request(block) => rqbit::Message::Request(request(block)),
        Message::Cancel(block) => rqbit::Message::Cancel(request(block)),
        Message::Piece { piece, begin, data } => rqbit::Message::Piece(rqbit::Piece::from_data(*piece, *begin, data)),
        other => unreachable!("{other:?} is in no stream"),
    }
}
