//! The Diffie-Hellman exchange. Spec: MSE § "Diffie Hellman Parameters": 768-bit safe prime, generator 2, 160-bit exponent.
//! The exponentiation is `crypto-bigint`'s fixed-window Montgomery one; its time depends on the exponent's length alone.

use crypto_bigint::{U192, U768, const_monty_params, modular::ConstMontyForm};

use super::{Error, HASH_LENGTH, entropy::Entropy};

/// A public key or a shared secret on the wire: 768 bits, big-endian, leading zeros kept.
pub(super) const KEY_LENGTH: usize = 96;

/// Our half of the exchange.
pub(super) struct KeyPair {
    exponent: U192,
    public: [u8; KEY_LENGTH],
}

/// Their half, inside of [2, P − 2].
pub(super) struct PublicKey(U768);

/// S.
pub(super) struct SharedSecret([u8; KEY_LENGTH]);

impl KeyPair {
    pub(super) fn generate(entropy: &mut Entropy) -> Self {
        let exponent = exponent(entropy.block());
        Self { public: power(&GENERATOR, &exponent), exponent }
    }

    pub(super) const fn public(&self) -> &[u8; KEY_LENGTH] {
        &self.public
    }

    pub(super) fn agree(&self, theirs: &PublicKey) -> SharedSecret {
        SharedSecret(power(&theirs.0, &self.exponent))
    }
}

impl PublicKey {
    /// Refuses 0, 1 and P − 1, which leave one or two possible secrets, and P or more, which is no residue.
    pub(super) fn parse(bytes: &[u8; KEY_LENGTH]) -> Result<Self, Error> {
        let key = U768::from_be_slice(bytes);
        if key < GENERATOR || key > LARGEST_KEY { Err(Error::DegenerateKey) } else { Ok(Self(key)) }
    }
}

impl SharedSecret {
    pub(super) const fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

const EXPONENT_BITS: u32 = 160;
const GENERATOR: U768 = U768::from_u8(2);
const PRIME: U768 = U768::from_be_hex(PRIME_HEX);
const LARGEST_KEY: U768 = PRIME.wrapping_sub(&GENERATOR);

/// P, a safe prime: no subgroups but those of 1 and P − 1 are small.
const PRIME_HEX: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
                         020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
                         4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";

const_monty_params!(Prime, U768, PRIME_HEX, "Residues modulo P.");

/// The highest bit is always set, so that no seed leads to the public key 1 that every peer must refuse.
fn exponent(random: [u8; HASH_LENGTH]) -> U192 {
    let mut wide = [0; 24];
    for (to, from) in wide.iter_mut().skip(24 - HASH_LENGTH).zip(random) {
        *to = from;
    }
    U192::from_be_slice(&wide).bitor(&U192::ONE.shl(EXPONENT_BITS - 1))
}

fn power(base: &U768, exponent: &U192) -> [u8; KEY_LENGTH] {
    ConstMontyForm::<Prime, { U768::LIMBS }>::new(base)
        .pow_bounded_exp(exponent, EXPONENT_BITS)
        .retrieve()
        .to_be_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seed: u8) -> KeyPair {
        KeyPair::generate(&mut Entropy::new(&[seed; 32]))
    }

    fn bytes(value: &U768) -> [u8; KEY_LENGTH] {
        value.to_be_bytes().into()
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
        let minus = |n: u8| PRIME.wrapping_sub(&U768::from_u8(n));
        let plus_one = PRIME.wrapping_add(&U768::ONE);
        for bad in [U768::ZERO, U768::ONE, minus(1), PRIME, plus_one, U768::MAX] {
            assert_eq!(PublicKey::parse(&bytes(&bad)).err(), Some(Error::DegenerateKey), "{bad}");
        }
        for good in [U768::from_u8(2), U768::from_u8(3), minus(2), minus(3)] {
            assert!(PublicKey::parse(&bytes(&good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn powers_of_two_are_what_long_hand_says() {
        assert_eq!(power(&GENERATOR, &U192::from_u8(93)), bytes(&U768::ONE.shl(93)));
        // P lies between 2^767 and 2^768, so 2^768 leaves 2^768 − P.
        assert_eq!(power(&GENERATOR, &U192::from_u16(768)), bytes(&U768::ZERO.wrapping_sub(&PRIME)));
    }

    #[test]
    fn a_seed_that_draws_zeros_gives_a_usable_exponent() {
        let exponent = exponent([0; HASH_LENGTH]);
        assert_eq!(exponent, U192::ONE.shl(EXPONENT_BITS - 1));
        assert!(PublicKey::parse(&power(&GENERATOR, &exponent)).is_ok());
    }
}
