//! What obfuscation costs: RC4 per block beside other implementations, a whole handshake, and finding the torrent.
//! `cargo bench -p torrent-wire --bench mse`; compare with
//! `openssl speed -provider legacy -provider default -bytes 16384 -evp rc4`.

use crypto_bigint::{U192, U768, const_monty_params, modular::ConstMontyForm};
use divan::{Bencher, counter::BytesCount};
use rc4::{KeyInit, StreamCipher};
use torrent_types::InfoHash;
use torrent_wire::mse::{Ciphers, Initiator, Methods, Responder, SkeyHash, SkeyIndex};

const BLOCK: usize = 16 * 1024;
const TORRENT: InfoHash = InfoHash::new([7; 20]);

fn main() {
    divan::main();
}

fn handshake(methods: Methods, skeys: &SkeyIndex) -> [Ciphers; 2] {
    #[expect(clippy::disallowed_methods, reason = "a measurement has to begin somewhen")]
    let now = std::time::Instant::now();
    let mut a = Initiator::new(now, TORRENT, methods, &[1; 32], &[0; 68]).expect("a short payload");
    let mut b = Responder::new(now, methods, &[2; 32]);
    let mut ends = [None, None];
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    while a.poll_transmit(&mut to_b) || b.poll_transmit(&mut to_a) {
        b.handle_bytes(now, &to_b, |skey| skeys.lookup(skey)).expect("a good peer");
        ends[1] = b.poll_event().map(|end| end.ciphers);
        b.poll_transmit(&mut to_a);
        a.handle_bytes(now, &to_a).expect("a good peer");
        ends[0] = a.poll_event().map(|end| end.ciphers);
        (to_a, to_b) = (Vec::new(), Vec::new());
    }
    ends.map(|end| end.expect("an end"))
}

fn torrents(count: u64) -> SkeyIndex {
    let others = (1..count).map(|n| {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        InfoHash::new(bytes)
    });
    others.chain([TORRENT]).collect()
}

#[divan::bench(args = [Methods::Plaintext, Methods::Rc4])]
fn decrypt_block(bencher: Bencher<'_, '_>, methods: Methods) {
    let [mut ciphers, _] = handshake(methods, &torrents(1));
    let mut block = vec![0; BLOCK];
    bencher.counter(BytesCount::new(BLOCK)).bench_local(|| ciphers.decrypt(divan::black_box(&mut block)));
}

#[divan::bench]
fn decrypt_block_with_the_rc4_crate(bencher: Bencher<'_, '_>) {
    let mut cipher = rc4::Rc4::new_from_slice(&[7; 20]).expect("a valid length");
    let mut block = vec![0; BLOCK];
    bencher.counter(BytesCount::new(BLOCK)).bench_local(|| cipher.apply_keystream(divan::black_box(&mut block)));
}

/// Both sides: four exponentiations, four key streams.
#[divan::bench(args = [Methods::Plaintext, Methods::Rc4])]
fn handshake_of_both_sides(bencher: Bencher<'_, '_>, methods: Methods) {
    let skeys = torrents(1);
    bencher.bench(|| handshake(methods, &skeys));
}

/// The exponentiations alone, by another implementation.
#[divan::bench]
fn exponentiations_of_both_sides_with_crypto_bigint(bencher: Bencher<'_, '_>) {
    const_monty_params!(
        Prime,
        U768,
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
         020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
         4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
        "Residues modulo the prime of MSE."
    );
    let base = ConstMontyForm::<Prime, { U768::LIMBS }>::new(&U768::MAX.shr(1));
    let exponent = U192::MAX.shr(32);
    bencher.bench(|| [(); 4].map(|()| divan::black_box(base).pow_bounded_exp(&exponent, 160).retrieve()));
}

/// What a responder does to find the torrent, beside the hash that it needs anyway.
#[divan::bench(args = [1, 100, 10_000, 1_000_000])]
fn find_the_torrent_among(bencher: Bencher<'_, '_>, count: u64) {
    let (skeys, skey) = (torrents(count), SkeyHash::of(&TORRENT));
    bencher.bench(|| skeys.lookup(divan::black_box(&skey)));
}

#[divan::bench(args = [10_000])]
fn index_torrents(count: u64) -> SkeyIndex {
    torrents(count)
}
