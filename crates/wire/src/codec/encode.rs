//! Messages → bytes. Appends to a caller's vector; one growth of it per message at most.

use super::{HashRange, Message, RawBlock, hash_range, message::id};

/// Bytes of a `piece` message before its data.
pub const PIECE_HEADER_LENGTH: usize = 13;

impl Message<'_> {
    /// Appends the message, length prefix first.
    ///
    /// # Panics
    /// If the payload is longer than 4 GiB.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::KeepAlive => out.extend_from_slice(&[0; 4]),
            Self::Choke => bare(id::CHOKE, out),
            Self::Unchoke => bare(id::UNCHOKE, out),
            Self::Interested => bare(id::INTERESTED, out),
            Self::NotInterested => bare(id::NOT_INTERESTED, out),
            Self::Have(piece) => number(id::HAVE, piece, out),
            Self::Bitfield(bits) => framed(id::BITFIELD, &[bits], out),
            Self::Request(block) => raw_block(id::REQUEST, block, out),
            Self::Piece { piece, begin, data } => {
                out.reserve(PIECE_HEADER_LENGTH.saturating_add(data.len()));
                out.extend_from_slice(&Self::piece_header(RawBlock { piece, begin, length: length_of(data.len()) }));
                out.extend_from_slice(data);
            }
            Self::Cancel(block) => raw_block(id::CANCEL, block, out),
            Self::Port(port) => framed(id::PORT, &[&port.to_be_bytes()], out),
            Self::Suggest(piece) => number(id::SUGGEST, piece, out),
            Self::HaveAll => bare(id::HAVE_ALL, out),
            Self::HaveNone => bare(id::HAVE_NONE, out),
            Self::Reject(block) => raw_block(id::REJECT, block, out),
            Self::AllowedFast(piece) => number(id::ALLOWED_FAST, piece, out),
            Self::Extended { id: extension, payload } => framed(id::EXTENDED, &[&[extension], payload], out),
            Self::HashRequest(range) => framed(id::HASH_REQUEST, &[&range.to_bytes()], out),
            Self::Hashes { range, hashes } => framed(id::HASHES, &[&range.to_bytes(), hashes], out),
            Self::HashReject(range) => framed(id::HASH_REJECT, &[&range.to_bytes()], out),
            Self::Unknown { id, payload } => framed(id, &[payload], out),
        }
    }

    /// How many bytes [`Self::encode`] appends.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let payload = match self {
            Self::KeepAlive => return 4,
            Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested | Self::HaveAll | Self::HaveNone => 0,
            Self::Have(_) | Self::Suggest(_) | Self::AllowedFast(_) => 4,
            Self::Bitfield(bits) => bits.len(),
            Self::Request(_) | Self::Cancel(_) | Self::Reject(_) => 12,
            Self::Piece { data, .. } => data.len().saturating_add(8),
            Self::Port(_) => 2,
            Self::Extended { payload, .. } => payload.len().saturating_add(1),
            Self::HashRequest(_) | Self::HashReject(_) => hash_range::ENCODED_LENGTH,
            Self::Hashes { hashes, .. } => hashes.len().saturating_add(hash_range::ENCODED_LENGTH),
            Self::Unknown { payload, .. } => payload.len(),
        };
        payload.saturating_add(5)
    }

    /// The 13 bytes before `block.length` bytes of data in a `piece` message, for senders that write the data straight
    /// from where it lies (vectored, or `sendfile`).
    ///
    /// ```
    /// # use torrent_wire::{Message, RawBlock};
    /// let mut whole = Vec::new();
    /// Message::Piece { piece: 3, begin: 0, data: b"data" }.encode(&mut whole);
    /// let header = Message::piece_header(RawBlock { piece: 3, begin: 0, length: 4 });
    /// assert_eq!(whole, [&header[..], b"data"].concat());
    /// ```
    #[must_use]
    #[inline]
    pub const fn piece_header(block: RawBlock) -> [u8; PIECE_HEADER_LENGTH] {
        let [a, b, c, d] = block.length.saturating_add(9).to_be_bytes();
        let [e, f, g, h] = block.piece.to_be_bytes();
        let [i, j, k, l] = block.begin.to_be_bytes();
        [a, b, c, d, id::PIECE, e, f, g, h, i, j, k, l]
    }
}

#[inline]
fn bare(id: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0, 1, id]);
}

#[inline]
fn number(id: u8, number: u32, out: &mut Vec<u8>) {
    let [a, b, c, d] = number.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 5, id, a, b, c, d]);
}

#[inline]
fn raw_block(id: u8, block: RawBlock, out: &mut Vec<u8>) {
    let [a, b, c, d] = block.piece.to_be_bytes();
    let [e, f, g, h] = block.begin.to_be_bytes();
    let [i, j, k, l] = block.length.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 13, id, a, b, c, d, e, f, g, h, i, j, k, l]);
}

fn framed(id: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let payload = parts.iter().map(|part| part.len()).fold(1, usize::saturating_add);
    out.reserve(payload.saturating_add(4));
    out.extend_from_slice(&length_of(payload).to_be_bytes());
    out.push(id);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn length_of(payload: usize) -> u32 {
    u32::try_from(payload).expect("a payload of less than 4 GiB")
}

impl HashRange {
    pub(super) fn to_bytes(self) -> [u8; hash_range::ENCODED_LENGTH] {
        let mut bytes = [0; hash_range::ENCODED_LENGTH];
        let numbers = [self.base_layer, self.index, self.length, self.proof_layers];
        let (root, rest) = bytes.split_at_mut(hash_range::HASH_LENGTH);
        root.copy_from_slice(&self.pieces_root);
        rest.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(to, number)| *to = number.to_be_bytes());
        bytes
    }
}
