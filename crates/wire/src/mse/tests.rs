//! Both roles against each other, and against peers that break the rules.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use torrent_types::InfoHash;

use super::{
    forger::{Forger, TORRENT, known},
    *,
};

const ALL: [Methods; 4] = [Methods::Plaintext, Methods::Rc4, Methods::PreferPlaintext, Methods::PreferRc4];
const HELLO: &[u8] = b"\x13BitTorrent protocol and so on";

/// One role, with the bytes that it sends and what comes of those it receives.
struct Side {
    role: Role,
    sent: Vec<u8>,
    end: Option<Established>,
    /// Decrypted payload.
    payload: Vec<u8>,
}

enum Role {
    Initiator(Initiator),
    Responder(Responder),
}

impl Side {
    fn initiator(methods: Methods, seed: u8, initial_payload: &[u8]) -> Self {
        Self::new(Role::Initiator(Initiator::new(start(), TORRENT, methods, &[seed; 32], initial_payload).unwrap()))
    }

    fn responder(methods: Methods, seed: u8) -> Self {
        Self::new(Role::Responder(Responder::new(start(), methods, &[seed; 32])))
    }

    fn new(role: Role) -> Self {
        let mut side = Self { role, sent: Vec::new(), end: None, payload: Vec::new() };
        side.transmit();
        side
    }

    fn transmit(&mut self) {
        match &mut self.role {
            Role::Initiator(initiator) => initiator.poll_transmit(&mut self.sent),
            Role::Responder(responder) => responder.poll_transmit(&mut self.sent),
        };
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes.to_vec();
        if self.end.is_none() {
            let used = match &mut self.role {
                Role::Initiator(initiator) => initiator.handle_bytes(start(), bytes)?,
                Role::Responder(responder) => responder.handle_bytes(start(), bytes, known)?,
            };
            self.transmit();
            rest.drain(..used);
            self.end = match &mut self.role {
                Role::Initiator(initiator) => initiator.poll_event(),
                Role::Responder(responder) => responder.poll_event(),
            };
        }
        if let Some(end) = &mut self.end {
            end.ciphers.decrypt(&mut rest);
            self.payload.extend(rest);
        }
        Ok(())
    }

    fn send(&mut self, payload: &[u8]) {
        let mut bytes = payload.to_vec();
        self.end.as_mut().expect("the handshake is over").ciphers.encrypt(&mut bytes);
        self.sent.extend(bytes);
    }

    fn method(&self) -> Method {
        self.end.as_ref().expect("the handshake is over").ciphers.method()
    }
}

/// Carries bytes between the two, `chunk` at most at a time, until none are left. All that each side sent.
fn converse(a: &mut Side, b: &mut Side, chunk: usize) -> Result<[Vec<u8>; 2], Error> {
    let mut wire = [Vec::new(), Vec::new()];
    while !a.sent.is_empty() || !b.sent.is_empty() {
        wire[0].extend(deliver(a, b, chunk)?);
        wire[1].extend(deliver(b, a, chunk)?);
    }
    Ok(wire)
}

fn deliver(from: &mut Side, to: &mut Side, chunk: usize) -> Result<Vec<u8>, Error> {
    let bytes = std::mem::take(&mut from.sent);
    bytes.chunks(chunk).try_for_each(|part| to.receive(part))?;
    Ok(bytes)
}

/// What a responder says to step 3 with this header.
fn forged(methods: Methods, info_hash: InfoHash, header: &[u8]) -> Result<Option<Method>, Error> {
    let (mut responder, forger) = (Responder::new(start(), methods, &[8; 32]), Forger::new());
    assert_eq!(responder.handle_bytes(start(), forger.public(), known), Ok(96));
    let mut sent = Vec::new();
    responder.poll_transmit(&mut sent);
    let secret = forger.secret(&sent);
    assert_eq!(responder.handle_bytes(start(), &forger::sync_of_initiator(&secret), known), Ok(20));
    responder.handle_bytes(start(), &forger::request(&secret, &info_hash, header), known)?;
    Ok(responder.poll_event().map(|end| end.ciphers.method()))
}

/// What an initiator says to step 4 with this header.
fn forged_answer(methods: Methods, header: &[u8]) -> Result<Option<Method>, Error> {
    let mut initiator = Initiator::new(start(), TORRENT, methods, &[8; 32], b"").unwrap();
    let (mut sent, forger) = (Vec::new(), Forger::new());
    initiator.poll_transmit(&mut sent);
    assert_eq!(initiator.handle_bytes(start(), forger.public()), Ok(96));
    initiator.handle_bytes(start(), &forger::answer(&forger.secret(&sent), header))?;
    Ok(initiator.poll_event().map(|end| end.ciphers.method()))
}

fn header(vc: u8, methods: u32, pad: u16) -> Vec<u8> {
    [&[vc; 8][..], &methods.to_be_bytes(), &pad.to_be_bytes()].concat()
}

#[test]
fn all_methods_meet_or_refuse_each_other() {
    for ours in ALL {
        for theirs in ALL {
            let (mut a, mut b) = (Side::initiator(ours, 1, HELLO), Side::responder(theirs, 2));
            match (theirs.select(ours.provide()), converse(&mut a, &mut b, usize::MAX)) {
                (Ok(method), Ok(_)) => {
                    assert_eq!((a.method(), b.method()), (method, method), "{ours:?} {theirs:?}");
                    assert_eq!(b.payload, HELLO);
                    a.send(b"from a");
                    b.send(b"from b");
                    converse(&mut a, &mut b, 5).unwrap();
                    assert_eq!((&a.payload[..], &b.payload[HELLO.len()..]), (&b"from b"[..], &b"from a"[..]));
                }
                (refused, result) => assert_eq!(refused.unwrap_err(), result.unwrap_err()),
            }
        }
    }
}

#[test]
fn both_sides_know_the_torrent_afterwards() {
    let (mut a, mut b) = (Side::initiator(Methods::Rc4, 1, HELLO), Side::responder(Methods::Rc4, 2));
    converse(&mut a, &mut b, usize::MAX).unwrap();
    assert_eq!((a.end.unwrap().info_hash, b.end.unwrap().info_hash), (TORRENT, TORRENT));
}

#[test]
fn a_seed_replays_a_handshake_byte_for_byte() {
    let run = |seed| {
        let (mut a, mut b) = (Side::initiator(Methods::PreferRc4, seed, HELLO), Side::responder(Methods::Rc4, 77));
        converse(&mut a, &mut b, usize::MAX).unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    // The transcript must not change between versions: replays of old recordings would break.
    let digest = <[u8; 20]>::from(<sha1::Sha1 as sha1::Digest>::digest(run(1).concat()));
    assert_eq!(InfoHash::new(digest).to_string(), "05c49afe824519fe8dba579227d918e211e99e0e");
}

#[test]
fn nothing_readable_is_sent() {
    for seed in 0..20 {
        let (mut a, mut b) =
            (Side::initiator(Methods::PreferPlaintext, seed, HELLO), Side::responder(Methods::PreferPlaintext, seed));
        let wire = converse(&mut a, &mut b, usize::MAX).unwrap().concat();
        assert_eq!(a.method(), Method::Plaintext);
        for secret in [&b"BitTorrent"[..], TORRENT.as_bytes()] {
            assert!(!wire.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[test]
fn the_initial_payload_is_encrypted_even_before_plaintext() {
    let (mut a, mut b) = (Side::initiator(Methods::Plaintext, 1, HELLO), Side::responder(Methods::Plaintext, 2));
    converse(&mut a, &mut b, usize::MAX).unwrap();
    assert_eq!(b.payload, HELLO);
    let (decryptor, encryptor) = b.end.unwrap().ciphers.into_split();
    assert!(decryptor.is_plain() && encryptor.is_plain());
}

#[test]
fn an_initial_payload_has_a_limit() {
    let longest = vec![1; MAX_INITIAL_PAYLOAD];
    let (mut a, mut b) = (Side::initiator(Methods::Rc4, 1, &longest), Side::responder(Methods::Rc4, 2));
    converse(&mut a, &mut b, 1000).unwrap();
    assert_eq!(b.payload, longest);
    let length = MAX_INITIAL_PAYLOAD + 1;
    let error = Initiator::new(start(), TORRENT, Methods::Rc4, &[1; 32], &vec![1; length]).unwrap_err();
    assert_eq!(error, Error::InitialPayloadTooLong { length });
}

#[test]
fn degenerate_keys_end_the_handshake_of_either_role() {
    let small = |n: u8| [[0; 95].as_slice(), &[n]].concat().try_into().unwrap();
    // The last byte of P is 0x63.
    let near_prime = |n: u8| [&modular::PRIME[..95], &[n]].concat().try_into().unwrap();
    for key in [small(0), small(1), near_prime(0x62), near_prime(0x63), near_prime(0x64), [0xff; 96]] {
        let mut initiator = Initiator::new(start(), TORRENT, Methods::Rc4, &[1; 32], HELLO).unwrap();
        assert_eq!(initiator.handle_bytes(start(), &key).unwrap_err(), Error::DegenerateKey);
        let mut responder = Responder::new(start(), Methods::Rc4, &[1; 32]);
        assert_eq!(responder.handle_bytes(start(), &key, known).unwrap_err(), Error::DegenerateKey);
        assert!(!responder.poll_transmit(&mut Vec::new()), "nothing is sent to such a peer");
        assert_eq!(responder.handle_bytes(start(), &key, known).unwrap_err(), Error::Finished);
    }
}

#[test]
fn an_unknown_torrent_is_refused() {
    assert_eq!(forged(Methods::Rc4, InfoHash::new([1; 20]), &[]).unwrap_err(), Error::UnknownTorrent);
}

#[test]
fn broken_requests_are_refused_with_their_reason() {
    for (header, error) in [
        (header(1, 2, 0), Error::WrongVerification),
        (header(0, 0, 0), Error::NoCommonMethod { provided: 0 }),
        (header(0, 1, 0), Error::NoCommonMethod { provided: 1 }),
        (header(0, 2, 513), Error::PadTooLong { length: 513 }),
    ] {
        assert_eq!(forged(Methods::Rc4, TORRENT, &header).unwrap_err(), error);
    }
    let whole = [header(0, 3, 1), vec![0; 3]].concat();
    assert_eq!(forged(Methods::Rc4, TORRENT, &whole), Ok(Some(Method::Rc4)));
}

#[test]
fn broken_answers_are_refused_with_their_reason() {
    for (header, error) in [
        (header(0, 0, 0), Error::NotProvided { selected: 0 }),
        (header(0, 1, 0), Error::NotProvided { selected: 1 }),
        (header(0, 3, 0), Error::NotProvided { selected: 3 }),
        (header(0, 2, 513), Error::PadTooLong { length: 513 }),
    ] {
        assert_eq!(forged_answer(Methods::Rc4, &header).unwrap_err(), error);
    }
    assert_eq!(forged_answer(Methods::Rc4, &header(1, 2, 0)), Ok(None), "as good as padding");
    assert_eq!(forged_answer(Methods::Rc4, &header(0, 2, 0)), Ok(Some(Method::Rc4)));
}

#[test]
fn noise_never_gets_further_than_the_longest_padding() {
    let noise = vec![7; 96 + MAX_PAD + 20];
    let mut responder = Responder::new(start(), Methods::Rc4, &[1; 32]);
    assert_eq!(responder.handle_bytes(start(), &noise[..noise.len() - 1], known), Ok(noise.len() - 1));
    assert_eq!(responder.handle_bytes(start(), &[7], known).unwrap_err(), Error::SyncNotFound);

    let noise = &noise[..96 + MAX_PAD + 8];
    let mut initiator = Initiator::new(start(), TORRENT, Methods::Rc4, &[1; 32], HELLO).unwrap();
    assert_eq!(initiator.handle_bytes(start(), &noise[..noise.len() - 1]), Ok(noise.len() - 1));
    assert_eq!(initiator.handle_bytes(start(), &[7]).unwrap_err(), Error::SyncNotFound);
}

/// One moment for all tests of a run: the machines only compare.
fn start() -> Instant {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhen")]
        Instant::now()
    });
    *START
}

#[test]
fn a_peer_that_is_late_ends_the_handshake_of_either_role() {
    let patience = Duration::from_millis(1500);
    let mut initiator = Initiator::new(start(), TORRENT, Methods::Rc4, &[1; 32], b"").unwrap();
    assert_eq!(initiator.poll_timeout(), Some(start() + Initiator::TIMEOUT));
    initiator = initiator.with_timeout(patience);
    assert_eq!(initiator.handle_timeout(start() + patience / 2), Ok(()));
    assert_eq!(initiator.handle_bytes(start() + patience, &[2; 96]), Err(Error::TimedOut));
    assert_eq!(initiator.poll_timeout(), None);
    assert_eq!(initiator.handle_bytes(start(), &[2; 96]), Err(Error::Finished));

    let mut responder = Responder::new(start(), Methods::Rc4, &[1; 32]);
    let deadline = responder.poll_timeout().unwrap();
    assert_eq!(deadline, start() + Responder::TIMEOUT);
    assert_eq!(responder.handle_timeout(deadline), Err(Error::TimedOut));
    assert_eq!((responder.poll_timeout(), responder.handle_timeout(deadline)), (None, Ok(())));

    // Time that passes after the end changes nothing.
    let (mut a, mut b) = (Side::initiator(Methods::Rc4, 1, HELLO), Side::responder(Methods::Rc4, 2));
    converse(&mut a, &mut b, usize::MAX).unwrap();
    let (Role::Initiator(initiator), Role::Responder(responder)) = (&mut a.role, &mut b.role) else { panic!() };
    assert_eq!((initiator.poll_timeout(), responder.poll_timeout()), (None, None));
    assert_eq!(initiator.handle_timeout(start() + Duration::from_secs(99)), Ok(()));
}

#[test]
fn messages_are_no_longer_than_documented() {
    for seed in 0..100 {
        let (mut a, mut b) =
            (Side::initiator(Methods::PreferRc4, seed, &[]), Side::responder(Methods::PreferRc4, seed + 100));
        let lengths = [
            deliver(&mut a, &mut b, usize::MAX).unwrap().len(),
            deliver(&mut b, &mut a, usize::MAX).unwrap().len(),
            deliver(&mut a, &mut b, usize::MAX).unwrap().len(),
            deliver(&mut b, &mut a, usize::MAX).unwrap().len(),
        ];
        assert!(lengths.iter().zip([96, 96, 56, 14]).all(|(length, least)| (least..=least + MAX_PAD).contains(length)));
        assert!(a.end.is_some() && b.end.is_some() && a.sent.is_empty());
    }
}

#[test]
fn a_handshake_stays_within_its_memory() {
    let boxes = 2 * size_of::<rc4::Rc4>();
    for seed in 0..50 {
        let (mut a, mut b) =
            (Side::initiator(Methods::PreferRc4, seed, &[]), Side::responder(Methods::PreferRc4, seed + 100));
        while !a.sent.is_empty() || !b.sent.is_empty() {
            deliver(&mut a, &mut b, 1).unwrap();
            deliver(&mut b, &mut a, 1).unwrap();
            let unsent = match (&a.role, &b.role) {
                (Role::Initiator(a), Role::Responder(b)) => a.unsent_capacity().max(b.unsent_capacity()),
                _ => unreachable!("a is the initiator"),
            };
            assert!(boxes + unsent <= MAX_HANDSHAKE_MEMORY, "{unsent}");
        }
    }
    assert!(size_of::<Initiator>() <= 512 && size_of::<Responder>() <= 512);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn chunking_is_invisible(seed: u8, chunk in 1..200_usize, payload: Vec<u8>) {
        let run = |chunk| {
            let (mut a, mut b) = (Side::initiator(Methods::PreferRc4, seed, &payload), Side::responder(Methods::PreferRc4, !seed));
            let wire = converse(&mut a, &mut b, chunk).unwrap();
            assert_eq!(b.payload, payload);
            wire
        };
        let whole = run(usize::MAX);
        prop_assert_eq!(&run(chunk), &whole);
        prop_assert_eq!(&run(1), &whole);
    }

    #[test]
    fn a_flipped_bit_in_a_public_key_leaves_no_connection(seed: u8, at in 0..96_usize, bit in 0..8) {
        let (mut a, mut b) = (Side::initiator(Methods::Rc4, seed, HELLO), Side::responder(Methods::Rc4, !seed));
        a.sent[at] ^= 1_u8 << bit;
        let _: Result<_, Error> = converse(&mut a, &mut b, usize::MAX);
        prop_assert!(a.end.is_none() && b.end.is_none());
    }

    #[test]
    fn any_bytes_are_survived(seed: u8, bytes: Vec<u8>, chunk in 1..50_usize) {
        for mut side in [Side::initiator(Methods::Rc4, seed, HELLO), Side::responder(Methods::Rc4, seed)] {
            for part in bytes.chunks(chunk) {
                if side.receive(part).is_err() {
                    break;
                }
            }
            prop_assert!(side.end.is_none());
        }
    }
}
