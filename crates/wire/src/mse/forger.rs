//! A peer that knows the shared secret and is free to break every rule: for tests and fuzzing, to reach past the exchange
//! of keys.

use torrent_types::InfoHash;

use super::{
    HASH_LENGTH, SkeyHash,
    dh::{KEY_LENGTH, KeyPair, PublicKey, SharedSecret},
    entropy::Entropy,
    keys,
    rc4::Rc4,
};

/// The torrent that all forged handshakes are about.
pub(super) const TORRENT: InfoHash = InfoHash::new(*b"an info hash we have");

/// What a responder with that torrent alone looks torrents up in.
pub(super) fn known(skey: &SkeyHash) -> Option<InfoHash> {
    (*skey == SkeyHash::of(&TORRENT)).then_some(TORRENT)
}

/// Before the other side's public key is known.
pub(super) struct Forger {
    keys: KeyPair,
}

impl Forger {
    pub(super) fn new() -> Self {
        Self { keys: KeyPair::generate(&mut Entropy::new(&[9; 32])) }
    }

    /// Step 1 or 2, without padding.
    pub(super) const fn public(&self) -> &[u8; KEY_LENGTH] {
        self.keys.public()
    }

    /// `sent` is what the other side has sent: it begins with its public key.
    pub(super) fn secret(&self, sent: &[u8]) -> SharedSecret {
        let key = sent.first_chunk().expect("a public key");
        self.keys.agree(&PublicKey::parse(key).expect("an honest key"))
    }
}

/// HASH('req1', S), which ends PadA.
pub(super) fn sync_of_initiator(secret: &SharedSecret) -> [u8; HASH_LENGTH] {
    keys::req1(secret)
}

/// Step 3 from SKEY on: `header` is what shall be decrypted.
pub(super) fn request(secret: &SharedSecret, info_hash: &InfoHash, header: &[u8]) -> Vec<u8> {
    let hidden = keys::xor(keys::req2(info_hash), keys::req3(secret));
    [&hidden, &encrypted(keys::initiator_stream(secret, info_hash), header)[..]].concat()
}

/// Step 4, all of it: `header` is what shall be decrypted, beginning with VC.
pub(super) fn answer(secret: &SharedSecret, header: &[u8]) -> Vec<u8> {
    encrypted(keys::responder_stream(secret, &TORRENT), header)
}

fn encrypted(mut stream: Rc4, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    stream.apply(&mut bytes);
    bytes
}
