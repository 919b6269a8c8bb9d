//! The hashes of MSE and the two key streams. Spec: MSE § "Encryption handshake" (definitions of HASH and ENCRYPT).

use sha1::{Digest, Sha1};
use torrent_types::InfoHash;

use super::{HASH_LENGTH, dh::SharedSecret, rc4::Rc4};

/// Attacks on RC4 begin with the start of its stream.
const DISCARDED: usize = 1024;

/// HASH('req1', S), by which the responder finds the end of PadA.
pub(super) fn req1(secret: &SharedSecret) -> [u8; HASH_LENGTH] {
    hash(b"req1", secret.as_bytes(), &[])
}

/// HASH('req2', SKEY), which names the torrent.
pub(super) fn req2(info_hash: &InfoHash) -> [u8; HASH_LENGTH] {
    hash(b"req2", info_hash.as_bytes(), &[])
}

/// HASH('req3', S), which hides the above.
pub(super) fn req3(secret: &SharedSecret) -> [u8; HASH_LENGTH] {
    hash(b"req3", secret.as_bytes(), &[])
}

/// The initiator's key stream: HASH('keyA', S, SKEY).
pub(super) fn initiator_stream(secret: &SharedSecret, info_hash: &InfoHash) -> Rc4 {
    stream(b"keyA", secret, info_hash)
}

/// The responder's key stream: HASH('keyB', S, SKEY).
pub(super) fn responder_stream(secret: &SharedSecret, info_hash: &InfoHash) -> Rc4 {
    stream(b"keyB", secret, info_hash)
}

pub(super) fn xor(mut left: [u8; HASH_LENGTH], right: [u8; HASH_LENGTH]) -> [u8; HASH_LENGTH] {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
    left
}

fn stream(name: &[u8; 4], secret: &SharedSecret, info_hash: &InfoHash) -> Rc4 {
    let mut stream = Rc4::new(&hash(name, secret.as_bytes(), info_hash.as_bytes()));
    stream.skip(DISCARDED);
    stream
}

fn hash(name: &[u8; 4], first: &[u8], second: &[u8]) -> [u8; HASH_LENGTH] {
    Sha1::new().chain_update(name).chain_update(first).chain_update(second).finalize().into()
}
