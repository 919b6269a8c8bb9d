//! The Diffie-Hellman exchange. Spec: MSE § "Diffie Hellman Parameters": 768-bit safe prime, generator 2, 160-bit exponent.
//! In: random bytes, and the peer's key. Out: our key, and the secret. Never: arithmetic (see `modular`).

use super::{
    Error, HASH_LENGTH,
    entropy::Entropy,
    modular::{Number, PRIME, power},
};

/// A public key or a shared secret on the wire: 768 bits, big-endian, leading zeros kept.
pub(super) const KEY_LENGTH: usize = 96;

/// Our half of the exchange.
pub(super) struct KeyPair {
    exponent: [u8; HASH_LENGTH],
    public: Number,
}

/// Their half, inside of [2, P − 2].
pub(super) struct PublicKey(Number);

/// S.
pub(super) struct SharedSecret(Number);

impl KeyPair {
    pub(super) fn generate(entropy: &mut Entropy) -> Self {
        let exponent = exponent(entropy.block());
        Self { public: power(&GENERATOR, &exponent), exponent }
    }

    pub(super) const fn public(&self) -> &Number {
        &self.public
    }

    pub(super) fn agree(&self, theirs: &PublicKey) -> SharedSecret {
        SharedSecret(power(&theirs.0, &self.exponent))
    }
}

impl PublicKey {
    /// Refuses 0, 1 and P − 1, which leave one or two possible secrets, and P or more, which is no residue.
    pub(super) fn parse(key: &Number) -> Result<Self, Error> {
        // Big-endian numbers of one length are in the order of their bytes.
        if *key < GENERATOR || *key > LARGEST_KEY { Err(Error::DegenerateKey) } else { Ok(Self(*key)) }
    }
}

impl SharedSecret {
    pub(super) const fn as_bytes(&self) -> &Number {
        &self.0
    }
}

const GENERATOR: Number = {
    let mut two = [0; KEY_LENGTH];
    two[KEY_LENGTH - 1] = 2;
    two
};

/// P − 2.
const LARGEST_KEY: Number = {
    let mut largest = PRIME;
    largest[KEY_LENGTH - 1] -= 2;
    largest
};

/// 160 bits. The highest is always set, so that no seed leads to the public key 1 that every peer must refuse.
const fn exponent(mut random: [u8; HASH_LENGTH]) -> [u8; HASH_LENGTH] {
    random[0] |= 0x80;
    random
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seed: u8) -> KeyPair {
        KeyPair::generate(&mut Entropy::new(&[seed; 32]))
    }

    #[test]
    fn both_sides_agree_and_others_do_not() {
        let (a, b, c) = (pair(1), pair(2), pair(3));
        let [ya, yb] = [&a, &b].map(|pair| PublicKey::parse(pair.public()).unwrap());
        assert_eq!(a.agree(&yb).as_bytes(), b.agree(&ya).as_bytes());
        assert_ne!(a.agree(&yb).as_bytes(), c.agree(&ya).as_bytes());
    }

    #[test]
    fn degenerate_keys_are_refused_and_their_neighbours_are_not() {
        let small = |n: u8| [[0; KEY_LENGTH - 1].as_slice(), &[n]].concat().try_into().unwrap();
        // The last byte of P is 0x63.
        let near_prime = |n: u8| [&PRIME[..KEY_LENGTH - 1], &[n]].concat().try_into().unwrap();
        for bad in [small(0), small(1), near_prime(0x62), near_prime(0x63), near_prime(0x64), [0xff; KEY_LENGTH]] {
            assert_eq!(PublicKey::parse(&bad).err(), Some(Error::DegenerateKey), "{bad:x?}");
        }
        for good in [small(2), small(3), near_prime(0x61), near_prime(0x60)] {
            assert!(PublicKey::parse(&good).is_ok(), "{good:x?}");
        }
    }

    #[test]
    fn a_seed_that_draws_zeros_gives_a_usable_exponent() {
        let exponent = exponent([0; HASH_LENGTH]);
        assert_eq!(exponent[0], 0x80);
        assert!(PublicKey::parse(&power(&GENERATOR, &exponent)).is_ok());
    }
}
