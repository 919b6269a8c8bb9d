//! Powers modulo P, the prime of MSE. Spec: MSE § "Diffie Hellman Parameters". In and out: numbers of 768 bits, big-endian.
//! Montgomery's multiplication over twelve words, and windows of four bits; each power is the same sequence of products,
//! whatever the exponent. Never: which keys are good ones (see `dh`).

/// A number on the wire.
pub(super) type Number = [u8; 96];

/// P, a safe prime: no subgroups but those of 1 and P − 1 are small.
pub(super) const PRIME: Number = bytes(&P);

/// `base` to the power of `exponent`, modulo P.
pub(super) fn power(base: &Number, exponent: &[u8]) -> Number {
    let base = multiply(&words(base), &R_SQUARED);
    let mut powers = [R; 16];
    for n in 1..powers.len() {
        powers[n] = multiply(&powers[n - 1], &base);
    }
    let mut product = R;
    for window in exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        for _ in 0..4 {
            product = multiply(&product, &product);
        }
        product = multiply(&product, &powers[usize::from(window)]);
    }
    bytes(&multiply(&product, &ONE))
}

/// The least significant first.
type Words = [u64; WORDS];

const WORDS: usize = 12;

const P: Words = [
    0x0000_0000_0009_0563,
    0xf44c_42e9_a63a_3621,
    0xe485_b576_625e_7ec6,
    0x4fe1_356d_6d51_c245,
    0x302b_0a6d_f25f_1437,
    0xef95_19b3_cd3a_431b,
    0x514a_0879_8e34_04dd,
    0x020b_bea6_3b13_9b22,
    0x2902_4e08_8a67_cc74,
    0xc4c6_628b_80dc_1cd1,
    0xc90f_daa2_2168_c234,
    0xffff_ffff_ffff_ffff,
];

const ONE: Words = {
    let mut one = [0; WORDS];
    one[0] = 1;
    one
};

/// R is 2^768, modulo P: what multiplication divides by, and so the 1 of the numbers in between.
const R: Words = minus(&[0; WORDS], &P).0;

/// R times R: takes a number in between.
const R_SQUARED: Words = {
    let (mut number, mut bit) = (R, 0);
    while bit < 64 * WORDS {
        number = double(&number);
        bit += 1;
    }
    number
};

/// −1 / P modulo 2^64, by Newton's method: each step doubles the bits that are right.
const MINUS_INVERSE: u64 = {
    let (mut inverse, mut step) = (P[0], 0);
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(P[0].wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg()
};

/// a · b / R modulo P.
fn multiply(a: &Words, b: &Words) -> Words {
    let (mut sum, mut high) = ([0; WORDS], 0);
    for &b in b {
        // sum += a · b
        let mut carry = 0;
        for (sum, &a) in sum.iter_mut().zip(a) {
            (*sum, carry) = add_product(*sum, a, b, carry);
        }
        let (top, over) = add(high, carry);
        // sum += m · P, so that the lowest word becomes 0 and can be left out.
        let m = sum[0].wrapping_mul(MINUS_INVERSE);
        (_, carry) = add_product(sum[0], m, P[0], 0);
        for n in 1..WORDS {
            (sum[n - 1], carry) = add_product(sum[n], m, P[n], carry);
        }
        (sum[WORDS - 1], carry) = add(top, carry);
        high = over + carry;
    }
    reduce(&sum, high)
}

/// Modulo P, of less than 2 P; `high` is the word above.
const fn reduce(number: &Words, high: u64) -> Words {
    let (less, borrow) = minus(number, &P);
    if high == 0 && borrow { *number } else { less }
}

const fn double(number: &Words) -> Words {
    let (mut sum, mut carry, mut n) = ([0; WORDS], 0, 0);
    while n < WORDS {
        sum[n] = number[n] << 1 | carry;
        carry = number[n] >> 63;
        n += 1;
    }
    reduce(&sum, carry)
}

/// a − b, and whether b was more.
const fn minus(a: &Words, b: &Words) -> (Words, bool) {
    let (mut difference, mut borrow, mut n) = ([0; WORDS], false, 0);
    while n < WORDS {
        let (less, first) = a[n].overflowing_sub(b[n]);
        let (less, second) = less.overflowing_sub(borrow as u64);
        difference[n] = less;
        borrow = first | second;
        n += 1;
    }
    (difference, borrow)
}

/// a + b: word and carry.
fn add(a: u64, b: u64) -> (u64, u64) {
    let (sum, carry) = a.overflowing_add(b);
    (sum, u64::from(carry))
}

/// sum + a · b + carry: word and carry. It fits two words whatever the four are.
fn add_product(sum: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let wide = u128::from(a) * u128::from(b) + u128::from(sum) + u128::from(carry);
    (wide as u64, (wide >> 64) as u64)
}

fn words(number: &Number) -> Words {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().rev().zip(number.as_chunks().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

const fn bytes(words: &Words) -> Number {
    let (mut number, mut n) = ([0; 96], 0);
    while n < number.len() {
        number[n] = words[WORDS - 1 - n / 8].to_be_bytes()[n % 8];
        n += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use crypto_bigint::{U192, U768, const_monty_params, modular::ConstMontyForm};
    use proptest::prelude::*;

    use super::*;

    const PRIME_HEX: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
                             020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
                             4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";

    const_monty_params!(Prime, U768, PRIME_HEX, "Residues modulo P.");

    fn theirs(base: &Number, exponent: &[u8; 20]) -> Number {
        let mut wide = [0; 24];
        wide[4..].copy_from_slice(exponent);
        ConstMontyForm::<Prime, { U768::LIMBS }>::new(&U768::from_be_slice(base))
            .pow(&U192::from_be_slice(&wide))
            .retrieve()
            .to_be_bytes()
            .into()
    }

    fn number(value: &U768) -> Number {
        value.to_be_bytes().into()
    }

    #[test]
    fn the_prime_is_that_of_the_specification() {
        assert_eq!(PRIME, number(&U768::from_be_hex(PRIME_HEX)));
    }

    #[test]
    fn powers_of_two_are_what_long_hand_says() {
        let two = number(&U768::from_u8(2));
        assert_eq!(power(&two, &[93]), number(&U768::ONE.shl(93)));
        // P lies between 2^767 and 2^768, so 2^768 leaves 2^768 − P.
        assert_eq!(power(&two, &[3, 0]), number(&U768::ZERO.wrapping_sub(&U768::from_be_hex(PRIME_HEX))));
        assert_eq!(power(&two, &[]), number(&U768::ONE));
    }

    #[test]
    fn numbers_at_the_ends_have_the_powers_that_another_implementation_says() {
        let prime = U768::from_be_hex(PRIME_HEX);
        let small = [0, 1, 2, 3].map(U768::from_u8);
        let large = [1, 2, 3].map(|n| prime.wrapping_sub(&U768::from_u8(n)));
        for base in small.iter().chain(&large).map(number) {
            for exponent in [[0; 20], [0xff; 20], [0x80; 20], [1; 20]] {
                assert_eq!(power(&base, &exponent), theirs(&base, &exponent));
            }
        }
    }

    proptest! {
        #[test]
        fn powers_are_those_of_another_implementation(
            // Below P, whose first word is all ones.
            high in 0..u64::MAX,
            low in proptest::collection::vec(any::<u8>(), 88),
            exponent in any::<[u8; 20]>(),
        ) {
            let base: Number = [&high.to_be_bytes(), &low[..]].concat().try_into().unwrap();
            prop_assert_eq!(power(&base, &exponent), theirs(&base, &exponent));
        }
    }
}
