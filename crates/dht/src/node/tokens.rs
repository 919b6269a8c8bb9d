//! Tokens: what a node must show before something is stored for its address.
//! Spec: BEP 5 § "DHT Queries" (get_peers). In: an address, a secret that changes. Out: 8 bytes that only a node which
//! receives at the address can know.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use rand::{Rng as _, rngs::StdRng};
use sha1::{Digest as _, Sha1};

/// A secret is used for so long, and its tokens are good for as long again. BEP 5 has these 5 and 10 minutes.
const ROTATION: Duration = Duration::from_secs(5 * 60);

pub(crate) type Token = [u8; 8];

#[derive(Debug)]
pub(crate) struct Tokens {
    current: [u8; 32],
    previous: [u8; 32],
    rotated: Instant,
}

impl Tokens {
    pub(crate) fn new(now: Instant, rng: &mut StdRng) -> Self {
        let mut tokens = Self { current: [0; 32], previous: [0; 32], rotated: now };
        rng.fill_bytes(&mut tokens.current);
        rng.fill_bytes(&mut tokens.previous);
        tokens
    }

    fn rotate(&mut self, now: Instant, rng: &mut StdRng) {
        let age = now.saturating_duration_since(self.rotated);
        if age < ROTATION {
            return;
        }
        self.previous = self.current;
        rng.fill_bytes(&mut self.current);
        if age >= 2 * ROTATION {
            rng.fill_bytes(&mut self.previous);
        }
        self.rotated = now;
    }

    pub(crate) fn give(&mut self, now: Instant, rng: &mut StdRng, ip: IpAddr) -> Token {
        self.rotate(now, rng);
        make(&self.current, ip)
    }

    pub(crate) fn accept(&mut self, now: Instant, rng: &mut StdRng, ip: IpAddr, token: &[u8]) -> bool {
        self.rotate(now, rng);
        // How long the comparison takes tells nothing that can be used within ten minutes over a network.
        token == make(&self.current, ip) || token == make(&self.previous, ip)
    }
}

/// A hash over a secret of fixed length in front and an address of fixed length behind.
fn make(secret: &[u8; 32], ip: IpAddr) -> Token {
    let hash = Sha1::new().chain_update(secret);
    let hash: [u8; 20] = match ip {
        IpAddr::V4(ip) => hash.chain_update(ip.octets()).finalize().into(),
        IpAddr::V6(ip) => hash.chain_update(ip.octets()).finalize().into(),
    };
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn tokens_are_good_for_one_address_and_for_five_to_ten_minutes() {
        let (start, mut rng) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut tokens = Tokens::new(start, &mut rng);
        let (ip, other) = (IpAddr::from([1, 2, 3, 4]), IpAddr::from([1, 2, 3, 5]));
        let token = tokens.give(start, &mut rng, ip);
        assert!(tokens.accept(start, &mut rng, ip, &token));
        assert!(!tokens.accept(start, &mut rng, other, &token));
        assert!(!tokens.accept(start, &mut rng, ip, &token[..4]));
        // No other token follows from one's own, as it does from a checksum.
        let theirs = tokens.give(start, &mut rng, other);
        let third = tokens.give(start, &mut rng, IpAddr::from([1, 2, 3, 6]));
        let forged: Vec<u8> = token.iter().zip(&theirs).map(|(a, b)| a ^ b).collect();
        assert_ne!(forged, third);
        let later = start + Duration::from_secs(301);
        assert!(tokens.accept(later, &mut rng, ip, &token));
        assert!(!tokens.accept(later + Duration::from_secs(301), &mut rng, ip, &token));
        let fresh = tokens.give(later, &mut rng, ip);
        assert!(!tokens.accept(later + Duration::from_secs(3600), &mut rng, ip, &fresh));
    }
}
