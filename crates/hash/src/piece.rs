//! The hashes of one piece, fed with its bytes from first to last in parts of any length. BEP 3 § "info dictionary",
//! BEP 52 § "piece layers". In: bytes. Out: a [`PieceDigest`], to be compared with an [`Expected`]. Never: reading, threads.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use torrent_types::{BLOCK_LENGTH, PieceIndex};

use crate::{interleave, merkle};

const LEAF: usize = BLOCK_LENGTH as usize;

/// Which part of a piece the v2 tree of its file covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct V2Shape {
    /// Bytes of the piece that belong to the file. What follows is padding, which v2 does not hash.
    pub content: u32,
    /// How many layers the node of the piece lies above the leaves.
    pub height: u32,
}

/// The hashes that a piece should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "one field per version of the protocol")]
pub struct Expected {
    /// SHA-1 of the whole piece.
    pub v1: Option<[u8; 20]>,
    /// The node of the hash tree that covers the piece, and what it covers.
    pub v2: Option<(merkle::Node, V2Shape)>,
}

impl Expected {
    /// A piece of a v1 torrent.
    #[must_use]
    pub const fn sha1(hash: [u8; 20]) -> Self {
        Self { v1: Some(hash), v2: None }
    }

    /// Whether there is anything to compare with. Nothing can be said of a piece otherwise.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.v1.is_some() || self.v2.is_some()
    }

    /// A hasher that computes what is compared.
    #[must_use]
    pub fn hasher(&self) -> PieceHasher {
        PieceHasher::new(self.v1.is_some(), self.v2.map(|(_, shape)| shape))
    }

    /// Whether all hashes that are known are those of `digest`. False if none is known.
    #[must_use]
    pub fn is_met_by(&self, digest: &PieceDigest) -> bool {
        let v1 = self.v1.is_none_or(|hash| digest.v1 == Some(hash));
        let v2 = self.v2.is_none_or(|(node, _)| digest.v2 == Some(node));
        self.is_known() && v1 && v2
    }
}

/// The hashes of all pieces of a torrent.
pub trait PieceHashes: fmt::Debug + Send + Sync {
    /// What the hashes of `piece` should be. Without any if they are not known (yet).
    fn expected(&self, piece: PieceIndex) -> Expected;
}

/// The hashes of one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "one field per version of the protocol")]
pub struct PieceDigest {
    /// SHA-1 of all of it.
    pub v1: Option<[u8; 20]>,
    /// The node that covers it: in the piece layer, or the root of a shorter file. `None` if all of it is padding.
    pub v2: Option<merkle::Node>,
}

/// Hashes a piece.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one variant per kind of torrent")]
pub enum PieceHasher {
    /// SHA-1.
    V1(Sha1),
    /// The leaves of a tree of SHA-256.
    V2(Leaves),
    /// Both from the same bytes, which is faster than one after the other.
    Hybrid(Sha1, Leaves),
}

impl PieceHasher {
    /// A hasher for v1, for v2, or for both; for neither it is one for v2 that ignores all bytes.
    #[must_use]
    pub fn new(v1: bool, v2: Option<V2Shape>) -> Self {
        match (v1, v2) {
            (true, None) => Self::V1(Sha1::new()),
            (true, Some(shape)) => Self::Hybrid(Sha1::new(), Leaves::new(shape)),
            (false, shape) => Self::V2(Leaves::new(shape.unwrap_or(V2Shape { content: 0, height: 0 }))),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::V1(sha1) => sha1.update(bytes),
            Self::V2(leaves) => leaves.update(bytes, None),
            Self::Hybrid(sha1, leaves) => leaves.update(bytes, Some(sha1)),
        }
    }

    /// Takes the next bytes of two pieces, which for v1 is faster than one after the other. Fastest where both parts are
    /// equally long and begin and end at multiples of 64 bytes from the beginning of their piece.
    pub fn update_two((one, bytes): (&mut Self, &[u8]), (other, others): (&mut Self, &[u8])) {
        let length = bytes.len().min(others.len());
        let ((bytes, rest), (others, others_rest)) = (bytes.split_at(length), others.split_at(length));
        match (&mut *one, &mut *other) {
            (Self::V1(one), Self::V1(other)) => interleave::two_sha1((one, bytes), (other, others)),
            (one, other) => {
                one.update(bytes);
                other.update(others);
            }
        }
        if !rest.is_empty() {
            one.update(rest);
        }
        if !others_rest.is_empty() {
            other.update(others_rest);
        }
    }

    /// The file ends after what was taken, before the end that was named: its tree is as high as that is long. For content
    /// whose length is not known before its end.
    pub fn end_file_here(&mut self) {
        if let Self::V2(leaves) | Self::Hybrid(_, leaves) = self {
            leaves.end_here();
        }
    }

    /// The hashes of what was taken.
    #[must_use]
    pub fn finish(self) -> PieceDigest {
        let (v1, v2) = match self {
            Self::V1(sha1) => (Some(sha1), None),
            Self::V2(leaves) => (None, Some(leaves)),
            Self::Hybrid(sha1, leaves) => (Some(sha1), Some(leaves)),
        };
        PieceDigest { v1: v1.map(|sha1| sha1.finalize().into()), v2: v2.and_then(Leaves::finish) }
    }
}

/// The leaves below one piece of a v2 file.
#[derive(Clone, Debug)]
pub struct Leaves {
    nodes: Vec<merkle::Node>,
    /// The leaf that is not complete, and how many of its bytes it has.
    open: Sha256,
    filled: usize,
    /// Bytes of the file that have yet to come.
    left: usize,
    height: u32,
}

impl Leaves {
    fn new(shape: V2Shape) -> Self {
        let left = usize::try_from(shape.content).unwrap_or(usize::MAX);
        Self { nodes: Vec::new(), open: Sha256::new(), filled: 0, left, height: shape.height }
    }

    fn update(&mut self, bytes: &[u8], mut sha1: Option<&mut Sha1>) {
        let (content, padding) = bytes.split_at(bytes.len().min(self.left));
        self.left = self.left.saturating_sub(content.len());
        // The rest of a leaf that began in an earlier part.
        let head = if self.filled == 0 { 0 } else { LEAF.saturating_sub(self.filled).min(content.len()) };
        let (head, body) = content.split_at(head);
        self.update_open(head, sha1.as_deref_mut());
        // Whole leaves; the last one of a file may be short.
        let whole = if self.left == 0 { body.len() } else { body.len().saturating_sub(body.len() % LEAF) };
        let (whole, tail) = body.split_at(whole);
        interleave::leaves(whole, sha1.as_deref_mut(), &mut self.nodes);
        self.update_open(tail, sha1.as_deref_mut());
        if let Some(sha1) = sha1 {
            sha1.update(padding);
        }
    }

    fn update_open(&mut self, bytes: &[u8], sha1: Option<&mut Sha1>) {
        if bytes.is_empty() {
            return;
        }
        self.open.update(bytes);
        if let Some(sha1) = sha1 {
            sha1.update(bytes);
        }
        self.filled = self.filled.saturating_add(bytes.len());
        if self.filled == LEAF || self.left == 0 {
            self.close_open();
        }
    }

    fn end_here(&mut self) {
        self.left = 0;
        self.close_open();
        let leaves = u64::try_from(self.nodes.len()).unwrap_or(u64::MAX);
        self.height = merkle::height(leaves.saturating_mul(BLOCK_LENGTH.into()));
    }

    fn close_open(&mut self) {
        if self.filled > 0 {
            self.nodes.push(self.open.finalize_reset().into());
            self.filled = 0;
        }
    }

    /// A file that ends before it was said to ends in a short leaf.
    fn finish(mut self) -> Option<merkle::Node> {
        self.close_open();
        (!self.nodes.is_empty()).then(|| merkle::fold(&mut self.nodes, 0, self.height))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut parts = Vec::new();
        for cut in cuts {
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            parts.push(part.to_vec());
            rest = after;
        }
        parts.push(rest.to_vec());
        parts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parts_of_any_length_give_the_hashes_of_the_whole(
            content in 0usize..100_000, padding in 0usize..40_000,
            cuts in prop::collection::vec(prop_oneof![0usize..100, 0usize..50_000, Just(16_384), Just(32_768)], 0..12),
            extra in 0u32..3,
        ) {
            let mut bytes: Vec<u8> = (0..content).map(|at| (at % 251) as u8).collect();
            bytes.resize(content + padding, 0);
            let height = merkle::height(content as u64) + extra;
            let shape = V2Shape { content: content as u32, height };
            let leaves: Vec<_> = bytes[..content].chunks(LEAF).map(merkle::block).collect();
            let v2 = (content > 0).then(|| merkle::root_at(&leaves, 0, height));
            let v1 = Some(<[u8; 20]>::from(Sha1::digest(&bytes)));
            for (hasher, expected) in [
                (PieceHasher::new(true, None), PieceDigest { v1, v2: None }),
                (PieceHasher::new(false, Some(shape)), PieceDigest { v1: None, v2 }),
                (PieceHasher::new(true, Some(shape)), PieceDigest { v1, v2 }),
            ] {
                let mut hasher = hasher;
                let mut twin = hasher.clone();
                cut(&bytes, &cuts).iter().for_each(|part| hasher.update(part));
                let mut third = twin.clone();
                for part in cut(&bytes, &cuts) {
                    PieceHasher::update_two((&mut twin, &part), (&mut third, &part));
                }
                prop_assert_eq!(hasher.finish(), expected);
                prop_assert_eq!(twin.finish(), expected);
                prop_assert_eq!(third.finish(), expected);
            }
        }
    }

    #[test]
    fn nothing_known_is_never_met() {
        let digest = PieceHasher::new(false, None).finish();
        assert_eq!(digest, PieceDigest::default());
        assert!(!Expected::default().is_met_by(&digest));
    }

    #[test]
    fn a_hybrid_needs_both() {
        let mut hasher = PieceHasher::new(true, Some(V2Shape { content: 3, height: 0 }));
        hasher.update(b"abc");
        let digest = hasher.finish();
        let good = Expected { v1: digest.v1, v2: Some((merkle::block(b"abc"), V2Shape { content: 3, height: 0 })) };
        assert!(good.is_met_by(&digest));
        assert!(!Expected { v1: Some([0; 20]), ..good }.is_met_by(&digest));
        assert!(!Expected { v2: Some(([0; 32], V2Shape { content: 3, height: 0 })), ..good }.is_met_by(&digest));
    }
}
