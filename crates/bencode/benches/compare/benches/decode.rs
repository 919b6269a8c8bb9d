//! torrent-bencode beside the other bencode crates: same inputs, same run. `cargo bench` in this folder.

#[path = "../../inputs/mod.rs"]
mod inputs;

use divan::{Bencher, black_box};

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

/// To a type, by serde: the same type for all. Lent from the input where the crate can, and owned.
#[divan::bench_group(name = "serde")]
mod typed {
    use torrent_bencode_compare::{OwnedPacket, OwnedTorrent, Packet, Torrent};

    use super::*;

    macro_rules! bench {
        ($inputs:expr, $lent:ty, $owned:ty) => {
            bench! { $inputs,
                torrent_bencode_borrowed: torrent_bencode::serde::from_bytes, $lent;
                torrent_bencode_owned: torrent_bencode::serde::from_bytes, $owned;
                bt_bencode_borrowed: bt_bencode::from_slice, $lent;
                bt_bencode_owned: bt_bencode::from_slice, $owned;
                librqbit_bencode_borrowed: librqbit_bencode::from_bytes, $lent;
                librqbit_bencode_owned: librqbit_bencode::from_bytes, $owned;
                serde_bencode_owned: serde_bencode::from_bytes, $owned;
            }
        };
        ($inputs:expr, $($name:ident: $from_bytes:path, $type:ty;)*) => {$(
            #[divan::bench(args = $inputs)]
            fn $name(bencher: Bencher<'_, '_>, name: &str) {
                let decode = |input: &[u8]| {
                    let value: Result<$type, _> = black_box($from_bytes(input));
                    value.is_ok()
                };
                time(bencher, name, decode);
            }
        )*};
    }

    mod torrent {
        use super::*;

        bench!(["torrent", "huge_torrent"], Torrent<'_>, OwnedTorrent);
        // Its `Option` is a list, so not for packets.
        bench! { ["torrent", "huge_torrent"],
            bendy_borrowed: bendy::serde::from_bytes, Torrent<'_>;
            bendy_owned: bendy::serde::from_bytes, OwnedTorrent;
        }
    }

    mod packet {
        use super::*;

        bench!(["ping", "find_node", "get_peers"], Packet<'_>, OwnedPacket);
    }
}
