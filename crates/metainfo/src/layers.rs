//! Piece layers: the hashes of pieces of long files, which lie outside `info`. BEP 52 § "metainfo files".
//! In: layers from a .torrent file or from peers. Out: only what leads to the root of a file. Never: who sent it.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use torrent_bencode::Node;
use torrent_types::PieceIndex;

use crate::{ErrorKind, File, Info, Warning, merkle, warning::Warnings};

const NODE_LENGTH: usize = 32;

/// The piece layers of a torrent, as far as they are known. All of them have been checked against their roots.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PieceLayers {
    by_root: BTreeMap<merkle::Node, Bytes>,
}

impl PieceLayers {
    /// Reads the dictionary of a .torrent file. Layers that no file needs are passed over, those that do not lead to the root
    /// of their file are left out: the info hash does not cover them, so peers may have better ones.
    pub(crate) fn read(root: &Node<'_, '_>, info: &Info, whole: &Bytes, warnings: &mut Warnings) -> Self {
        let mut layers = Self::default();
        let needed: BTreeMap<_, _> = needed(info).map(|file| (file.pieces_root, file)).collect();
        let dict = root.find("piece layers").and_then(|node| warnings.dict(&node));
        for (root, layer) in dict.into_iter().flatten() {
            let Some(file) = root.try_into().ok().and_then(|root| needed.get(&Some(root))) else { continue };
            let Some(bytes) = warnings.bytes(&layer) else { continue };
            if let Err(fault) = layers.insert(info, file, whole.slice_ref(bytes)) {
                warnings.push(|| Warning::PieceLayer { file: file.path.as_str().into(), fault });
            }
        }
        let files = layers.missing(info).count();
        if files > 0 {
            warnings.push(|| Warning::MissingLayers { files });
        }
        layers
    }

    /// Adds the layer of one file of `info`: the hashes of its pieces, one after the other.
    ///
    /// # Errors
    /// If there are not as many as the file has pieces, or they do not lead to its root.
    pub fn insert(&mut self, info: &Info, file: &File, layer: impl Into<Bytes>) -> Result<(), ErrorKind> {
        let layer = layer.into();
        let (nodes, rest) = layer.as_chunks::<NODE_LENGTH>();
        if !rest.is_empty() {
            return Err(ErrorKind::Pieces { found: layer.len(), size: NODE_LENGTH });
        }
        let expected = file.length.div_ceil(info.piece_length().into());
        let found = u64::try_from(nodes.len()).unwrap_or(u64::MAX);
        if found != expected {
            return Err(ErrorKind::PieceCount { expected, found });
        }
        let root = merkle::root_at(nodes, info.piece_layer(), merkle::height(file.length));
        if file.pieces_root != Some(root) {
            return Err(ErrorKind::PieceLayer);
        }
        self.by_root.insert(root, layer);
        Ok(())
    }

    /// The hashes of the pieces of a file that is longer than a piece.
    #[must_use]
    pub fn layer(&self, root: &merkle::Node) -> Option<&[merkle::Node]> {
        self.by_root.get(root).map(|layer| layer.as_chunks().0)
    }

    /// All layers by root, as bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&merkle::Node, &Bytes)> {
        self.by_root.iter()
    }

    /// Those that `info` needs, in the order of their roots.
    pub(crate) fn of<'a>(&'a self, info: &'a Info) -> BTreeMap<&'a merkle::Node, &'a Bytes> {
        needed(info).filter_map(|file| self.by_root.get_key_value(file.pieces_root.as_ref()?)).collect()
    }

    /// The numbers of the files whose layer is missing.
    pub fn missing(&self, info: &Info) -> impl Iterator<Item = usize> {
        let files = info.files().iter().enumerate().filter(|(_, file)| needs_layer(info, file));
        files
            .filter(|(_, file)| file.pieces_root.is_none_or(|root| !self.by_root.contains_key(&root)))
            .map(|(index, _)| index)
    }

    /// SHA-256 of a piece: the node of its layer, or the root of a file of one piece.
    #[must_use]
    pub fn piece_hash(&self, info: &Info, piece: PieceIndex) -> Option<merkle::Node> {
        let piece = info.v2_piece(piece)?;
        if piece.is_whole_file {
            return Some(piece.root);
        }
        self.layer(&piece.root)?.get(usize::try_from(piece.index).ok()?).copied()
    }
}

fn needed(info: &Info) -> impl Iterator<Item = &File> {
    info.files().iter().filter(|file| needs_layer(info, file))
}

fn needs_layer(info: &Info, file: &File) -> bool {
    file.pieces_root.is_some() && file.length > u64::from(info.piece_length())
}

impl fmt::Debug for PieceLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PieceLayers({})", self.by_root.len())
    }
}
