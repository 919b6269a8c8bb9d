//! From one seed, all that a handshake needs of luck: the secret exponent and the paddings.
//! SHA-1 of seed and counter, so that a replay does not depend on the version of any random number crate.

use sha1::{Digest, Sha1};

use super::{HASH_LENGTH, MAX_PAD};

pub(super) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl Entropy {
    pub(super) const fn new(seed: &[u8; 32]) -> Self {
        Self { seed: *seed, counter: 0 }
    }

    pub(super) fn block(&mut self) -> [u8; HASH_LENGTH] {
        let block = Sha1::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize();
        self.counter = self.counter.wrapping_add(1);
        block.into()
    }

    /// A length from 0 to [`MAX_PAD`], as good as uniform.
    pub(super) fn pad_length(&mut self) -> u16 {
        let [first, second, ..] = self.block();
        u16::from_be_bytes([first, second]) % PAD_LENGTHS
    }

    /// Appends PadA or PadB: random bytes, as they travel in the clear.
    pub(super) fn pad(&mut self, out: &mut Vec<u8>) {
        let mut left = usize::from(self.pad_length());
        while left > 0 {
            let block = self.block();
            let part = block.get(..left).unwrap_or(&block);
            out.extend_from_slice(part);
            left = left.saturating_sub(part.len());
        }
    }
}

/// Zero counts too.
const PAD_LENGTHS: u16 = 513;
const _: () = assert!(PAD_LENGTHS as usize == MAX_PAD + 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_have_every_length_from_none_to_the_longest() {
        let mut entropy = Entropy::new(&[3; 32]);
        let mut seen = [false; MAX_PAD + 1];
        for _ in 0..20_000 {
            seen[usize::from(entropy.pad_length())] = true;
        }
        assert!(seen.iter().all(|&seen| seen));
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let (mut entropy, mut out) = (Entropy::new(&[seed; 32]), Vec::new());
            entropy.pad(&mut out);
            (entropy.block(), out)
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
