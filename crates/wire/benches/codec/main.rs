//! What the wire costs: decoding and encoding a stream, and running it through the machine.
//! `cargo bench -p torrent-wire --bench codec`; beside rqbit's codec: `cargo bench` in `compare/`.

mod stream;

use std::hint::black_box;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use torrent_types::{Geometry, InfoHash, PeerId};
use torrent_wire::{Config, Connection, Handshake, MAX_FRAME, Message, Messages, ReceiveBuffer, Reserved};

use stream::{download, encode, requests};

fn main() {
    divan::main();
}

fn named(name: &str) -> (Vec<Message<'static>>, Vec<u8>) {
    let messages = if name == "download" { download() } else { requests() };
    let bytes = encode(&messages);
    (messages, bytes)
}

#[divan::bench(args = ["download", "requests"])]
fn decoding(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        for message in Messages::new(black_box(&bytes), MAX_FRAME) {
            black_box(message.expect("a good stream").1);
        }
    });
}

#[divan::bench(args = ["download", "requests"])]
fn encoding(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    let mut out = Vec::with_capacity(bytes.len());
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        out.clear();
        black_box(&messages).iter().for_each(|message| message.encode(&mut out));
        black_box(out.len())
    });
}

/// From the socket to checked events: receive buffer, codec and machine, 64 KiB at a time.
#[divan::bench(args = ["download", "requests"])]
fn receiving(bencher: Bencher<'_, '_>, name: &str) {
    let (messages, bytes) = named(name);
    #[expect(clippy::disallowed_methods, reason = "a measurement has to begin somewhen")]
    let now = std::time::Instant::now();
    let ours = Handshake { reserved: Reserved::FAST, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([1; 20]) };
    let mut connection = Connection::new(now, &ours, &ours, &Config::default());
    connection.set_geometry(Geometry::new(64 << 18, 1 << 18).expect("a torrent")).expect("nothing was said");
    let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
    bencher.counter(BytesCount::of_slice(&bytes)).counter(ItemsCount::new(messages.len())).bench_local(|| {
        for chunk in bytes.chunks(64 * 1024) {
            buffer.extend(chunk);
            let mut messages = Messages::new(buffer.filled(), MAX_FRAME);
            for message in messages.by_ref() {
                let (_, message) = message.expect("a good stream");
                let event = connection.handle_message(now, &message);
                black_box(event.expect("a good peer"));
            }
            let consumed = messages.consumed();
            buffer.consume(consumed);
        }
    });
}
