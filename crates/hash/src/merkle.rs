//! The hash trees of v2: blocks of 16 KiB are leaves, absent leaves are zero.
//! Spec: BEP 52 § "File tree layout" (`pieces root`), § "metainfo files" (`piece layers`), § "peer messages" (`hash request`).
//! In: block hashes or one layer. Out: roots, layers, and the hashes with their uncles that a peer asks for.
//! Never: which file a root belongs to (see `layers`).

use sha2::{Digest, Sha256};
use torrent_types::BLOCK_LENGTH;

/// A SHA-256 node of the tree.
pub type Node = [u8; 32];

/// The most hashes that one request may ask for. BEP 52 asks for no more than 512; others send up to 8192.
pub const MAX_HASHES: u32 = 8192;

/// Layers of a tree with 2^63 leaves.
const MAX_HEIGHT: u32 = 63;

/// The leaf for one block of a file: 16 KiB, or less at its end.
#[must_use]
pub fn block(data: &[u8]) -> Node {
    Sha256::digest(data).into()
}

/// The parent of two nodes.
#[must_use]
pub fn parent(left: &Node, right: &Node) -> Node {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree of 2^`height` absent leaves.
#[must_use]
pub fn padding(height: u32) -> Node {
    (0..height.min(MAX_HEIGHT)).fold([0; 32], |node, _| parent(&node, &node))
}

/// How many layers lie above the leaves of a file of `length` bytes; 0 for a file of one block.
#[must_use]
pub const fn height(length: u64) -> u32 {
    width_log2(length.div_ceil(BLOCK_LENGTH as u64))
}

/// How many layers lie above `nodes` nodes.
const fn width_log2(nodes: u64) -> u32 {
    match nodes.checked_next_power_of_two() {
        Some(width) => width.trailing_zeros(),
        None => MAX_HEIGHT,
    }
}

/// The root above `nodes`, which all lie `layer` layers above the leaves. It is as high as it must be to cover them.
///
/// No nodes give the padding node of that layer.
#[must_use]
pub fn root(nodes: &[Node], layer: u32) -> Node {
    let width = u64::try_from(nodes.len()).unwrap_or(u64::MAX);
    root_at(nodes, layer, layer.saturating_add(width_log2(width)))
}

/// The root above `nodes` that lies `top` layers above the leaves. Nodes that such a tree has no room for are left out.
#[must_use]
pub fn root_at(nodes: &[Node], layer: u32, top: u32) -> Node {
    let mut nodes = nodes.to_vec();
    fold(&mut nodes, layer, top)
}

/// As [`root_at`], in the memory of `nodes`, which is left in disorder.
pub fn fold(nodes: &mut Vec<Node>, layer: u32, top: u32) -> Node {
    let mut padding = padding(layer);
    for _ in layer..top.min(MAX_HEIGHT) {
        if nodes.is_empty() {
            // Nothing but padding all the way up.
            nodes.push(padding);
        }
        let parents = nodes.len().div_ceil(2);
        for index in 0..parents {
            let (left, right) = (index.saturating_mul(2), index.saturating_mul(2).saturating_add(1));
            let left = nodes.get(left).copied().unwrap_or(padding);
            let right = nodes.get(right).copied().unwrap_or(padding);
            if let Some(node) = nodes.get_mut(index) {
                *node = parent(&left, &right);
            }
        }
        nodes.truncate(parents);
        padding = parent(&padding, &padding);
    }
    nodes.first().copied().unwrap_or(padding)
}

/// Which nodes of one file's tree a peer asks for: what a `hash request` says after the root. BEP 52 § "peer messages".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "these are the fields of the message")]
pub struct HashRange {
    /// How many layers above the leaves the hashes lie.
    pub base_layer: u32,
    /// The first hash of that layer; a multiple of `length`.
    pub index: u32,
    /// How many hashes: a power of two, at least 2.
    pub length: u32,
    /// How many layers of uncles are asked for, those that can be computed from the hashes themselves included.
    pub proof_layers: u32,
}

impl HashRange {
    /// Whether a tree of `height` layers above its leaves has these hashes, and they are no more than [`MAX_HASHES`].
    #[must_use]
    pub const fn fits(&self, height: u32) -> bool {
        let Some(above) = height.checked_sub(self.base_layer) else { return false };
        let Some(end) = self.index.checked_add(self.length) else { return false };
        self.length >= 2
            && self.length <= MAX_HASHES
            && self.length.is_power_of_two()
            && self.index.is_multiple_of(self.length)
            && above <= MAX_HEIGHT
            && end as u64 <= 1 << above
            && (self.proof_layers == 0 || self.proof_layers < above)
    }

    /// How many uncles come after the hashes: layers that follow from the hashes themselves are counted but not sent.
    #[must_use]
    pub const fn uncles(&self) -> u32 {
        match self.length.checked_ilog2() {
            Some(layers) => self.proof_layers.saturating_sub(layers.saturating_sub(1)),
            None => 0,
        }
    }

    /// Layer of the node that covers exactly these hashes.
    const fn top_layer(&self) -> u32 {
        match self.length.checked_ilog2() {
            Some(layers) => self.base_layer.saturating_add(layers),
            None => self.base_layer,
        }
    }
}

/// The tree of one file from some layer up to its root.
///
/// Costs 64 bytes per node of the lowest layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The lowest first; the last has one node. Absent nodes at the end of a layer are padding.
    layers: Vec<Vec<Node>>,
    base_layer: u32,
}

impl Tree {
    /// The tree of a file of `length` bytes above the nodes of one layer: leaves, or the piece layer.
    ///
    /// `None` if the layer of that file has another number of nodes, or lies above the root.
    #[must_use]
    pub fn new(nodes: Vec<Node>, base_layer: u32, length: u64) -> Option<Self> {
        let height = height(length);
        let width = length.div_ceil(u64::from(BLOCK_LENGTH)).div_ceil(1_u64.checked_shl(base_layer)?);
        if length == 0 || base_layer > height || u64::try_from(nodes.len()) != Ok(width) {
            return None;
        }
        let mut layers = vec![nodes];
        for layer in base_layer..height {
            let below = layers.last()?;
            let padding = padding(layer);
            let above = below.chunks(2).filter_map(|pair| Some(parent(pair.first()?, pair.get(1).unwrap_or(&padding))));
            let above = above.collect();
            layers.push(above);
        }
        Some(Self { layers, base_layer })
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Node {
        self.layers.last().and_then(|layer| layer.first()).copied().unwrap_or_default()
    }

    /// How many layers the root lies above the leaves.
    #[must_use]
    pub fn height(&self) -> u32 {
        u32::try_from(self.layers.len())
            .map_or(u32::MAX, |layers| self.base_layer.saturating_add(layers).saturating_sub(1))
    }

    /// A node, or the padding in its place; `None` if this layer is not kept.
    #[must_use]
    pub fn node(&self, layer: u32, index: u32) -> Option<Node> {
        let nodes = self.layers.get(usize::try_from(layer.checked_sub(self.base_layer)?).ok()?)?;
        Some(usize::try_from(index).ok().and_then(|index| nodes.get(index)).copied().unwrap_or_else(|| padding(layer)))
    }

    /// What a `hashes` message carries for this range: the hashes, then the uncles from the lowest to the highest.
    ///
    /// `None` if the tree has no such hashes; answer with a `hash reject` then.
    #[must_use]
    pub fn hashes(&self, range: HashRange) -> Option<Vec<Node>> {
        if !range.fits(self.height()) {
            return None;
        }
        let end = range.index.checked_add(range.length)?;
        let mut hashes: Vec<_> =
            (range.index..end).map(|index| self.node(range.base_layer, index)).collect::<Option<_>>()?;
        let mut index = range.index.checked_div(range.length)?;
        for layer in (range.top_layer()..).take(usize::try_from(range.uncles()).ok()?) {
            hashes.push(self.node(layer, index ^ 1)?);
            index >>= 1;
        }
        Some(hashes)
    }
}

/// Whether a `hashes` message proves its hashes: they and the uncles must lead to `root`, that of a file of `length` bytes.
///
/// A message with fewer uncles than needed to reach the root proves nothing; ask for them all by
/// `proof_layers = height(length) - base_layer - 1`, or check against a node known already with [`subtree_root`].
#[must_use]
pub fn proves(root: &Node, length: u64, range: HashRange, hashes: &[Node]) -> bool {
    let height = height(length);
    let complete = range.top_layer().saturating_add(range.uncles()) == height;
    range.fits(height) && complete && subtree_root(range, hashes).is_some_and(|node| node == *root)
}

/// The highest node that can be computed from a `hashes` message: its layer is that of the range's top plus one for
/// each uncle. `None` if the number of hashes is wrong.
#[must_use]
pub fn subtree_root(range: HashRange, hashes: &[Node]) -> Option<Node> {
    if !range.length.is_power_of_two() {
        return None;
    }
    let (base, uncles) = hashes.split_at_checked(usize::try_from(range.length).ok()?)?;
    if u32::try_from(uncles.len()) != Ok(range.uncles()) {
        return None;
    }
    let mut node = root_at(base, range.base_layer, range.top_layer());
    let mut index = range.index.checked_div(range.length)?;
    for uncle in uncles {
        node = if index & 1 == 0 { parent(&node, uncle) } else { parent(uncle, &node) };
        index >>= 1;
    }
    Some(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u8) -> Vec<Node> {
        (0..count).map(|number| block(&[number])).collect()
    }

    #[test]
    fn a_file_of_one_block_is_its_own_root() {
        assert_eq!(root(&leaves(1), 0), block(&[0]));
        assert_eq!(height(1), 0);
        assert_eq!(height(16384), 0);
        assert_eq!(height(16385), 1);
        assert_eq!(height(0), 0);
    }

    #[test]
    fn absent_leaves_are_zero() {
        let [a, b, c] = leaves(3)[..] else { panic!() };
        assert_eq!(root(&[a, b, c], 0), parent(&parent(&a, &b), &parent(&c, &[0; 32])));
        assert_eq!(padding(1), parent(&[0; 32], &[0; 32]));
        assert_eq!(root(&[], 2), padding(2));
        assert_eq!(root_at(&[], 0, 3), padding(3));
        // Higher than needed: a piece layer node of a file that ends inside the piece.
        assert_eq!(root_at(&[a], 0, 2), parent(&parent(&a, &[0; 32]), &padding(1)));
    }

    #[test]
    fn the_first_uncle_is_the_sibling_of_what_the_hashes_cover() {
        let tree = Tree::new(leaves(8), 0, 8 * 16384).unwrap();
        let range = HashRange { base_layer: 0, index: 4, length: 2, proof_layers: 2 };
        let hashes = tree.hashes(range).unwrap();
        assert_eq!(hashes.len(), 4);
        assert_eq!(hashes[2], tree.node(1, 3).unwrap());
        assert_eq!(hashes[3], tree.node(2, 0).unwrap());
        // Four hashes make one layer computable: the same proof layers send one uncle less.
        let range = HashRange { base_layer: 0, index: 4, length: 4, proof_layers: 2 };
        assert_eq!(tree.hashes(range).unwrap().len(), 5);
    }

    #[test]
    fn impossible_ranges_are_rejected() {
        let tree = Tree::new(leaves(5), 0, 5 * 16384).unwrap();
        let good = HashRange { base_layer: 0, index: 0, length: 2, proof_layers: 2 };
        assert!(tree.hashes(good).is_some());
        for bad in [
            HashRange { base_layer: 4, ..good },
            HashRange { base_layer: u32::MAX, ..good },
            HashRange { index: 1, ..good },
            HashRange { index: 8, ..good },
            HashRange { index: u32::MAX, ..good },
            HashRange { length: 0, ..good },
            HashRange { length: 1, ..good },
            HashRange { length: 3, ..good },
            HashRange { length: 1 << 31, ..good },
            HashRange { proof_layers: 3, ..good },
            HashRange { proof_layers: u32::MAX, ..good },
        ] {
            assert_eq!(tree.hashes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn trees_of_another_size_are_refused() {
        assert!(Tree::new(leaves(5), 0, 4 * 16384).is_none());
        assert!(Tree::new(leaves(2), 2, 5 * 16384).is_some());
        assert!(Tree::new(leaves(1), 4, 5 * 16384).is_none(), "above the root");
        assert!(Tree::new(vec![], 0, 0).is_none());
    }

    proptest! {
        #[test]
        fn every_answer_proves_itself(count in 2u8..40, base in 0u32..4, log in 1u32..4, at in 0u32..8, lie in 0usize..64) {
            let leaves = leaves(count);
            let length = u64::from(count) * 16384 - 7;
            let nodes: Vec<_> = leaves.chunks(1 << base).map(|chunk| root_at(chunk, 0, base)).collect();
            prop_assume!(base < height(length));
            let tree = Tree::new(nodes, base, length).unwrap();
            prop_assert_eq!(tree.root(), root(&leaves, 0));
            let all = HashRange { base_layer: base, index: at << log, length: 1 << log, proof_layers: height(length) - base - 1 };
            prop_assume!(all.fits(height(length)));
            let mut hashes = tree.hashes(all).unwrap();
            prop_assert!(proves(&tree.root(), length, all, &hashes));
            let index = lie % hashes.len();
            hashes[index][0] ^= 1;
            prop_assert!(!proves(&tree.root(), length, all, &hashes));
            hashes.pop();
            prop_assert!(!proves(&tree.root(), length, all, &hashes));
        }
    }
}
