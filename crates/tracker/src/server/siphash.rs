//! SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash that strangers cannot steer.
//! Used for the tables that strangers fill, and as the MAC that makes connection ids.

/// 128 bits of key.
#[derive(Clone, Copy)]
pub(super) struct Key(pub(super) u64, pub(super) u64);

impl Key {
    pub(super) fn from_seed(seed: [u8; 16]) -> Self {
        let whole = u128::from_le_bytes(seed);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let (low, high) = (whole as u64, (whole >> 64) as u64);
        Self(low, high)
    }

    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        let mut v = [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ];
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            absorb(&mut v, u64::from_le_bytes(*word));
        }
        // The last word: what is left over, and the length modulo 256 on top.
        #[expect(clippy::cast_possible_truncation, reason = "modulo 256 is what is wanted")]
        let length = bytes.len() as u8;
        let mut last = u64::from(length) << 56;
        for (&byte, shift) in tail.iter().zip([0, 8, 16, 24, 32, 40, 48]) {
            last |= u64::from(byte) << shift;
        }
        absorb(&mut v, last);
        v[2] ^= 0xff;
        for _ in 0..4 {
            round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

/// It is a secret.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

#[inline]
fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    round(v);
    v[0] ^= word;
}

#[inline]
fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v2 = v2.wrapping_add(*v3);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v1);
    *v0 = v0.wrapping_add(*v3);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_and_the_reference_vectors() {
        let key = Key::from_seed(std::array::from_fn(|i| u8::try_from(i).unwrap()));
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(key.hash(&message), 0xa129_ca61_49be_45e5);
        assert_eq!(key.hash(&[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(key.hash(&message[..8]), 0x93f5_f579_9a93_2462);
    }
}
