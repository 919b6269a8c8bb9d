//! What may be said about pieces, and when. BEP 3 § "peer messages" (bitfield first), BEP 6 § "Have All/Have None".
//! Piece numbers are bounded by `MAX_PIECES` until the torrent's geometry is known, and checked again then; for that
//! the highest number is enough, so the state has a fixed size.

use torrent_types::{Geometry, MAX_PIECES, PieceIndex};

use crate::PeerFault;

/// Whether one side may still say with one message which pieces it has.
///
/// Deviation: have-all and have-none count as first behind messages that say nothing about pieces (choke, interested,
/// port, extended); libtorrent and Transmission accept them at any time, and Transmission sends its extended handshake first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opening {
    /// It may.
    #[default]
    Open,
    /// It has.
    Said,
    /// It has gone on without, which means that it had nothing.
    Closed,
}

impl Opening {
    pub(super) fn close(&mut self) {
        if *self == Self::Open {
            *self = Self::Closed;
        }
    }
}

/// What the peer has said about its pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announced {
    opening: Opening,
    /// It has said have-all, and not taken anything back.
    all: bool,
    /// The highest piece number of all messages.
    highest: Option<u32>,
    bitfield_length: Option<usize>,
}

impl Announced {
    /// Deviation: BEP 3 allows one bitfield, as the first message. aria2 sends another when that is shorter than the haves
    /// it stands for, also behind have-none. It replaces what was said before; behind have-all it makes no sense.
    pub(super) fn bitfield(&mut self, bits: &[u8], geometry: Option<&Geometry>) -> Result<(), PeerFault> {
        if self.all {
            return Err(PeerFault::BitfieldRepeated);
        }
        let next =
            Self { opening: Opening::Said, bitfield_length: Some(bits.len()), highest: highest_bit(bits), ..*self };
        match geometry {
            Some(geometry) => next.check(geometry)?,
            None if bits.len() > MAX_PIECES as usize / 8 => {
                return Err(PeerFault::BitfieldWrongLength { length: bits.len() });
            }
            None => {}
        }
        *self = Self { highest: next.highest.max(self.highest), ..next };
        Ok(())
    }

    pub(super) fn all_or_none(&mut self, all: bool) -> Result<(), PeerFault> {
        self.may_open()?;
        self.opening = Opening::Said;
        self.all = all;
        Ok(())
    }

    pub(super) fn have(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let index = self.name(piece, geometry)?;
        if self.all {
            return Err(PeerFault::HaveAfterHaveAll { piece });
        }
        self.opening.close();
        Ok(index)
    }

    pub(super) fn dont_have(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let index = self.name(piece, geometry)?;
        self.all = false;
        Ok(index)
    }

    /// A piece number of any message.
    pub(super) fn name(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let count = geometry.map_or(MAX_PIECES, Geometry::piece_count);
        if piece >= count {
            return Err(PeerFault::NoSuchPiece { piece });
        }
        self.highest = self.highest.max(Some(piece));
        Ok(PieceIndex::new(piece))
    }

    /// The peer has begun to trade blocks.
    pub(super) fn close(&mut self) {
        self.opening.close();
    }

    /// Whether what was said so far fits the torrent.
    pub(super) fn check(&self, geometry: &Geometry) -> Result<(), PeerFault> {
        if let Some(length) = self.bitfield_length
            && length != geometry.piece_count().div_ceil(8) as usize
        {
            return Err(PeerFault::BitfieldWrongLength { length });
        }
        match self.highest {
            Some(piece) if piece >= geometry.piece_count() => Err(PeerFault::NoSuchPiece { piece }),
            _ => Ok(()),
        }
    }

    const fn may_open(&self) -> Result<(), PeerFault> {
        match self.opening {
            Opening::Open => Ok(()),
            Opening::Said => Err(PeerFault::BitfieldRepeated),
            Opening::Closed => Err(PeerFault::BitfieldLate),
        }
    }
}

/// Number of the last bit that is set.
fn highest_bit(bits: &[u8]) -> Option<u32> {
    let byte = bits.iter().rposition(|byte| *byte != 0)?;
    let spare = bits.get(byte)?.trailing_zeros();
    u32::try_from(byte).ok()?.checked_mul(8)?.checked_add(7_u32.checked_sub(spare)?)
}
