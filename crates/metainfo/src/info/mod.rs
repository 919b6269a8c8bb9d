//! The `info` dictionary: what the info hash covers, from a .torrent file or from peers. BEP 3 § "info dictionary", BEP 9.
//! In: bytes. Out: [`Info`]. Never: trackers and piece layers, which lie outside (see `metainfo`).

mod assemble;
mod parse;
mod v1;
mod v2;

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use torrent_types::{BLOCK_LENGTH, Geometry, InfoHash, InfoHashV2, PieceIndex};

use crate::{Error, File, InfoHashes, Limits, Magnet, document, merkle, path, warning::Warnings};

/// The longest piece, in bytes: 512 MiB.
pub const MAX_PIECE_LENGTH: u32 = 1 << 29;
/// The longest file, in bytes.
pub const MAX_FILE_LENGTH: u64 = (1 << 48) - 1;

/// File trees nest two dictionaries per file and the outer ones beside the 100 folders.
pub(crate) const MAX_NESTING: usize = 112;

/// What a torrent is about: its name, files and hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct Info {
    raw: Bytes,
    hashes: InfoHashes,
    name: Box<str>,
    /// As the torrent has it, where `name` had to be another.
    original_name: Option<Box<[u8]>>,
    files: Vec<File>,
    geometry: Geometry,
    /// The `pieces` of v1, a part of `raw`.
    pieces: Option<Bytes>,
    is_folder: bool,
    private: bool,
    source: Option<Box<str>>,
    update_url: Option<Box<str>>,
    similar: Vec<InfoHash>,
    collections: Vec<Box<str>>,
    has_root_certificate: bool,
}

impl Info {
    /// Reads an `info` dictionary, as peers send it.
    ///
    /// # Errors
    /// If it is not one. Compare [`Self::info_hashes`] with what was asked for, or use [`Self::from_peers`].
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let document = document::read(&bytes, &Limits::default())?;
        parse::info(&document.root(), &bytes, None, document.warnings(), &mut Warnings::default())
    }

    /// Reads an `info` dictionary that came for `magnet`. BEP 9 § "extension message".
    ///
    /// `None` if it is the info of another torrent: the hash is looked at before anything else.
    ///
    /// # Errors
    /// If the hash is right, but the content cannot be used.
    pub fn from_peers(magnet: &InfoHashes, bytes: impl Into<Bytes>) -> Option<Result<Self, Error>> {
        let bytes = bytes.into();
        let matches = magnet.v1().is_none_or(|hash| hash == hash_v1(&bytes))
            && magnet.v2().is_none_or(|hash| hash == hash_v2(&bytes));
        matches.then(|| Self::from_bytes(bytes))
    }

    /// Its bytes as they were seen. The info hashes are those of these bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// The names of the torrent.
    #[must_use]
    pub const fn info_hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// Name of the file or of the folder, safe to use as one.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// The name as the torrent has it; empty if it has none. Not safe to use as a path.
    #[must_use]
    pub fn original_name(&self) -> &[u8] {
        self.original_name.as_deref().unwrap_or(self.name.as_bytes())
    }

    /// The exact path of a file, as the torrent spells it, where that is another than [`File::path`] and can be a path here.
    ///
    /// What lies there below the download folder is this file, although it would not be put there. Of a single file of v2 that
    /// has another name than the torrent, it is that file in a folder of the torrent's name. The path stays inside
    /// the folder that it is joined to, but may hold characters that control a terminal.
    #[must_use]
    pub fn exact_path(&self, file: &File) -> Option<PathBuf> {
        // v2 cannot tell a folder of one file from a file: what was made of one is in a folder of the torrent's name.
        let is_lone = !self.is_folder && self.has_v2() && file.original_path() != [self.original_name()];
        if file.is_pad() || (self.original_name.is_none() && !file.is_renamed() && !is_lone) {
            return None;
        }
        let folder = (self.is_folder || is_lone).then(|| self.original_name());
        path::exact(folder.into_iter().chain(file.original_path()))
    }

    /// The files, pad files included, in the order of their bytes.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether the files lie in a folder that has the torrent's name.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// Whether there is a v1 view: `pieces`, SHA-1.
    #[must_use]
    pub const fn has_v1(&self) -> bool {
        self.hashes.v1().is_some()
    }

    /// Whether there is a v2 view: a file tree, SHA-256.
    #[must_use]
    pub const fn has_v2(&self) -> bool {
        self.hashes.v2().is_some()
    }

    /// How the bytes, padding included, are cut into pieces.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Bytes in every piece but perhaps the last.
    #[must_use]
    pub const fn piece_length(&self) -> u32 {
        self.geometry.piece_length()
    }

    /// How many pieces there are.
    #[must_use]
    pub const fn piece_count(&self) -> u32 {
        self.geometry.piece_count()
    }

    /// Bytes of all files, padding included.
    #[must_use]
    pub const fn total_length(&self) -> u64 {
        self.geometry.total_length()
    }

    /// Bytes of all files that people want: without padding.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        self.files.iter().filter(|file| !file.is_pad()).fold(0, |sum, file| sum.saturating_add(file.length))
    }

    /// SHA-1 of a piece. `None` if there is no v1 view, or no such piece.
    #[must_use]
    pub fn piece_hash(&self, piece: PieceIndex) -> Option<&[u8; 20]> {
        self.piece_hashes().get(piece.as_usize())
    }

    /// SHA-1 of all pieces; empty without a v1 view.
    #[must_use]
    pub fn piece_hashes(&self) -> &[[u8; 20]] {
        self.pieces.as_ref().map_or(&[], |pieces| pieces.as_chunks().0)
    }

    /// The number of the file that the byte at `offset` belongs to; empty files are passed over.
    #[must_use]
    pub fn file_at(&self, offset: u64) -> Option<usize> {
        let index = self.files.partition_point(|file| file.end() <= offset);
        (index < self.files.len()).then_some(index)
    }

    /// The parts of files that make up `length` bytes from `offset`, in order. What lies past the end is left out.
    pub fn slices(&self, offset: u64, length: u64) -> impl Iterator<Item = FileSlice> {
        let end = offset.saturating_add(length);
        let first = self.file_at(offset).unwrap_or(self.files.len());
        let files = self.files.iter().enumerate().skip(first);
        files.take_while(move |(_, file)| file.offset < end).filter(|(_, file)| file.length > 0).map(
            move |(index, file)| {
                let start = offset.max(file.offset);
                let length = end.min(file.end()).saturating_sub(start);
                FileSlice { file: index, offset: start.saturating_sub(file.offset), length }
            },
        )
    }

    /// The parts of files that make up a piece.
    pub fn piece_slices(&self, piece: PieceIndex) -> impl Iterator<Item = FileSlice> {
        self.slices(self.geometry.piece_offset(piece), self.geometry.length_of(piece).into())
    }

    /// Where a piece lies in the hash tree of its file. `None` without a v2 view, or if there is no such piece.
    #[must_use]
    pub fn v2_piece(&self, piece: PieceIndex) -> Option<V2Piece> {
        let offset = self.geometry.piece_offset(piece);
        let file = self.file_at(offset).filter(|_| self.has_v2())?;
        let entry = self.files.get(file)?;
        let root = entry.pieces_root?;
        let begin = offset.checked_sub(entry.offset)?;
        let piece_length = u64::from(self.piece_length());
        let index = u32::try_from(begin.checked_div(piece_length)?).ok()?;
        let length = u32::try_from(entry.length.checked_sub(begin)?.min(piece_length)).ok()?;
        let is_whole_file = entry.length <= piece_length;
        let height = if is_whole_file { merkle::height(entry.length) } else { self.piece_layer() };
        Some(V2Piece { file, root, index, length, height, is_whole_file })
    }

    /// How many layers the nodes of the `piece layers` lie above the leaves. BEP 52 § "metainfo files".
    #[must_use]
    pub const fn piece_layer(&self) -> u32 {
        merkle::height(if self.piece_length() < BLOCK_LENGTH {
            BLOCK_LENGTH as u64
        } else {
            self.piece_length() as u64
        })
    }

    /// Whether peers may come from trackers only. BEP 27.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// `source`: where it was published first; there to make the info hash another one.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// `update-url`: where a newer version may be found. BEP 39.
    #[must_use]
    pub fn update_url(&self) -> Option<&str> {
        self.update_url.as_deref()
    }

    /// `similar`: torrents that may share files with this one. BEP 38.
    #[must_use]
    pub fn similar(&self) -> &[InfoHash] {
        &self.similar
    }

    /// `collections`: torrents that share one of these names may share files. BEP 38.
    pub fn collections(&self) -> impl ExactSizeIterator<Item = &str> {
        self.collections.iter().map(|name| &**name)
    }

    /// Whether peers must show a certificate (`ssl-cert`), as in libtorrent's SSL torrents.
    #[must_use]
    pub const fn has_root_certificate(&self) -> bool {
        self.has_root_certificate
    }

    /// The raw value of any key, such as `x_cross_seed`, still bencoded.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        let document = document::read_again(&self.raw).ok()?;
        document.root().find(key).map(|node| node.raw().to_vec())
    }

    /// A link to it that knows nothing of trackers.
    #[must_use]
    pub fn magnet(&self) -> Magnet {
        let mut magnet = Magnet::new(self.hashes);
        magnet.name = Some(self.name.to_string());
        magnet.length = Some(self.content_length());
        magnet
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("hashes", &self.hashes)
            .field("name", &self.name)
            .field("files", &self.files.len())
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}

/// A run of bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain triple")]
pub struct FileSlice {
    /// Number of the file in [`Info::files`].
    pub file: usize,
    /// First byte, counted from the beginning of the file.
    pub offset: u64,
    /// Length in bytes; not 0.
    pub length: u64,
}

/// A piece as a part of the hash tree of its file. BEP 52.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct V2Piece {
    /// Number of the file in [`Info::files`].
    pub file: usize,
    /// Root of the file.
    pub root: merkle::Node,
    /// Number of the piece, counted from the beginning of the file.
    pub index: u32,
    /// Bytes of the piece that belong to the file; what follows up to the next piece is padding.
    pub length: u32,
    /// How many layers its node lies above the leaves.
    pub height: u32,
    /// Whether the file is no longer than a piece, so that its root is the hash of the piece.
    pub is_whole_file: bool,
}

pub(crate) fn hash_v1(bytes: &[u8]) -> InfoHash {
    use sha1::Digest;
    InfoHash::new(sha1::Sha1::digest(bytes).into())
}

pub(crate) fn hash_v2(bytes: &[u8]) -> InfoHashV2 {
    use sha2::Digest;
    InfoHashV2::new(sha2::Sha256::digest(bytes).into())
}

pub(crate) use parse::{collections, info as parse_info, similar, text};

#[cfg(test)]
mod tests;
