//! Items of the DHT's store: values, and who may change them.
//! Spec: BEP 44 § "Immutable Items", § "Mutable Items", § "Signature Verification"; BEP 46 § "Publishing content".
//! Values stay as they are encoded: that is what is hashed and signed.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha1::{Digest as _, Sha1};
use torrent_bencode::{Encoder, RawValue, RawValueBuf, Value};
use torrent_types::InfoHash;

use crate::{
    id::Id,
    krpc::{MAX_SALT, MAX_VALUE, Signed},
};

/// The public half of a [`KeyPair`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// An ed25519 key that signs mutable items.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

/// Tells several items of one key apart: 0 to 64 bytes. BEP 44 § "put message".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Salt(Box<[u8]>);

/// A value with the signature of its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedItem {
    key: PublicKey,
    salt: Salt,
    seq: i64,
    signature: [u8; 64],
    value: RawValueBuf,
}

/// What can be stored and found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "BEP 44 knows these two")]
pub enum Item {
    /// A value under its own hash.
    Immutable(RawValueBuf),
    /// A value under the hash of a key.
    Mutable(SignedItem),
}

/// Why something cannot be an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The encoding of the value is longer than 1,000 bytes.
    #[error("the encoded value is longer than {MAX_VALUE} bytes")]
    ValueTooBig,
    /// The salt is longer than 64 bytes.
    #[error("the salt is longer than {MAX_SALT} bytes")]
    SaltTooBig,
    /// The value is not bencoded.
    #[error("the value is not bencoded")]
    NotBencoded,
    /// The sequence number is negative.
    #[error("the sequence number is negative")]
    NegativeSeq,
    /// The signature is not the key's.
    #[error("the signature is not valid")]
    BadSignature,
}

impl PublicKey {
    /// Wraps the raw bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Where the items of this key are stored. BEP 44 § "Messages".
    #[must_use]
    pub fn target(&self, salt: &Salt) -> Id {
        target(&self.0, &salt.0)
    }
}

impl KeyPair {
    /// From the 32 bytes of the secret key, the seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a value.
    ///
    /// # Errors
    /// If the value, the salt or the sequence number may not be stored.
    pub fn sign(&self, value: RawValueBuf, seq: i64, salt: Salt) -> Result<SignedItem, ItemError> {
        check_value(value.as_bytes())?;
        if seq < 0 {
            return Err(ItemError::NegativeSeq);
        }
        let signature = self.0.sign(&signed_bytes(&salt.0, seq, value.as_bytes())).to_bytes();
        Ok(SignedItem { key: self.public(), salt, seq, signature, value })
    }

    /// Signs a torrent that others can follow. BEP 46 § "Publishing content".
    ///
    /// # Errors
    /// If the sequence number is negative.
    pub fn sign_torrent(&self, torrent: InfoHash, seq: i64, salt: Salt) -> Result<SignedItem, ItemError> {
        let mut value = Vec::new();
        Encoder::new(&mut value).dict(|v| v.put("ih", torrent.as_bytes()));
        self.sign(raw(&value)?, seq, salt)
    }
}

impl Salt {
    /// # Errors
    /// If it is longer than 64 bytes.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, ItemError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_SALT { Err(ItemError::SaltTooBig) } else { Ok(Self(bytes)) }
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SignedItem {
    /// Checks what came from elsewhere.
    ///
    /// # Errors
    /// If the value or the salt is too long, the sequence number is negative, or the signature is not valid.
    pub fn new(signed: &Signed<'_>, value: RawValue<'_>) -> Result<Self, ItemError> {
        check_value(value.as_bytes())?;
        let salt = Salt::new(signed.salt)?;
        if signed.seq < 0 {
            return Err(ItemError::NegativeSeq);
        }
        let key = VerifyingKey::from_bytes(signed.key).map_err(|_| ItemError::BadSignature)?;
        let bytes = signed_bytes(signed.salt, signed.seq, value.as_bytes());
        // The strict check refuses keys of small order, with which one signature fits many messages.
        key.verify_strict(&bytes, &Signature::from_bytes(signed.signature)).map_err(|_| ItemError::BadSignature)?;
        Ok(Self {
            key: PublicKey(*signed.key),
            salt,
            seq: signed.seq,
            signature: *signed.signature,
            value: value.to_buf(),
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Which of the key's items it is.
    #[must_use]
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }

    /// Goes up with each change.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        self.seq
    }

    /// The encoded value.
    #[must_use]
    pub fn value(&self) -> RawValue<'_> {
        self.value.borrow()
    }

    /// Where it is stored.
    #[must_use]
    pub fn target(&self) -> Id {
        self.key.target(&self.salt)
    }

    /// The torrent that it names, if it names one. BEP 46 § "Publishing content".
    #[must_use]
    pub fn torrent(&self) -> Option<InfoHash> {
        let value = Value::decode(self.value.as_bytes()).ok()?;
        InfoHash::try_from(value.find("ih")?.as_bytes()?).ok()
    }

    pub(crate) fn signed(&self) -> Signed<'_> {
        Signed { key: &self.key.0, signature: &self.signature, seq: self.seq, salt: &self.salt.0 }
    }
}

impl Item {
    /// A value that is stored under its own hash.
    ///
    /// # Errors
    /// If it is longer than 1,000 bytes.
    pub fn immutable(value: RawValueBuf) -> Result<Self, ItemError> {
        check_value(value.as_bytes())?;
        Ok(Self::Immutable(value))
    }

    /// The encoded value.
    #[must_use]
    pub fn value(&self) -> RawValue<'_> {
        match self {
            Self::Immutable(value) => value.borrow(),
            Self::Mutable(item) => item.value(),
        }
    }

    /// Where it is stored.
    #[must_use]
    pub fn target(&self) -> Id {
        match self {
            Self::Immutable(value) => immutable_target(value.as_bytes()),
            Self::Mutable(item) => item.target(),
        }
    }

    /// Its sequence number, if it is mutable.
    #[must_use]
    pub const fn seq(&self) -> Option<i64> {
        match self {
            Self::Immutable(_) => None,
            Self::Mutable(item) => Some(item.seq),
        }
    }
}

/// Where a value is stored that cannot change. BEP 44 § "Immutable Items".
pub(crate) fn immutable_target(value: &[u8]) -> Id {
    Id::new(Sha1::digest(value).into())
}

/// Where a value is stored that can. BEP 44 § "Messages".
pub(crate) fn target(key: &[u8; 32], salt: &[u8]) -> Id {
    Id::new(Sha1::new().chain_update(key).chain_update(salt).finalize().into())
}

fn check_value(value: &[u8]) -> Result<(), ItemError> {
    if value.len() > MAX_VALUE { Err(ItemError::ValueTooBig) } else { Ok(()) }
}

fn raw(value: &[u8]) -> Result<RawValueBuf, ItemError> {
    RawValue::new(value).map(|value| value.to_buf()).map_err(|_| ItemError::NotBencoded)
}

/// What is signed. BEP 44 § "Signature Verification".
fn signed_bytes(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_SALT.saturating_add(value.len()).saturating_add(64));
    if !salt.is_empty() {
        out.extend_from_slice(format!("4:salt{}:", salt.len()).as_bytes());
        out.extend_from_slice(salt);
    }
    out.extend_from_slice(format!("3:seqi{seq}e1:v").as_bytes());
    out.extend_from_slice(value);
    out
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The secret half is not shown.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPair").field(&self.public()).finish()
    }
}

impl fmt::Debug for SignedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedItem")
            .field("key", &self.key)
            .field("salt", &self.salt)
            .field("seq", &self.seq)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
    }

    #[test]
    fn bep_44s_test_vectors_hold() {
        let key: [u8; 32] = hex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
        let value = RawValue::new(b"12:Hello World!").unwrap();
        for (salt, signature, target) in [
            (
                &b""[..],
                "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
                "4a533d47ec9c7d95b1ad75f576cffc641853b750",
            ),
            (
                &b"foobar"[..],
                "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17ddf9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
                "411eba73b6f087ca51a3795d9c8c938d365e32c1",
            ),
        ] {
            let signature = hex(signature);
            let mut signed = Signed { key: &key, signature: &signature, seq: 1, salt };
            let item = SignedItem::new(&signed, value).unwrap();
            assert_eq!(item.target().to_string(), target);
            signed.seq = 2;
            assert_eq!(SignedItem::new(&signed, value), Err(ItemError::BadSignature));
        }
        let item = Item::immutable(value.to_buf()).unwrap();
        assert_eq!(item.target().to_string(), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
    }

    #[test]
    fn bep_46s_test_vectors_hold() {
        let key = PublicKey::new(hex("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e"));
        assert_eq!(key.target(&Salt::default()).to_string(), "cc3f9d90b572172053626f9980ce261a850d050b");
        assert_eq!(key.target(&Salt::new([0x6e]).unwrap()).to_string(), "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f");
    }

    #[test]
    fn what_is_signed_verifies_and_names_its_torrent() {
        let pair = KeyPair::from_seed([7; 32]);
        let torrent = InfoHash::new([9; 20]);
        let item = pair.sign_torrent(torrent, 5, Salt::new(*b"x").unwrap()).unwrap();
        assert_eq!(SignedItem::new(&item.signed(), item.value()), Ok(item.clone()));
        assert_eq!(item.torrent(), Some(torrent));
        let long = Encoder::to_vec(&vec![b'x'; 1000].as_slice());
        let long = RawValue::new(&long).unwrap().to_buf();
        assert_eq!(pair.sign(long, 1, Salt::default()), Err(ItemError::ValueTooBig));
        assert_eq!(Salt::new([0; 65]), Err(ItemError::SaltTooBig));
    }
}
