//! Packets on the wire (BEP 29, "header format" and "extension").
//! In: a datagram's payload, or the fields of a header. Out: a view that borrows, or bytes. Never: state.

use std::fmt;

use crate::seq::SeqNr;

/// Length of the header without extensions, in bytes.
pub const HEADER_LENGTH: usize = 20;
/// The one version of the protocol.
pub const VERSION: u8 = 1;
/// Longest bitmask of a selective ack, in bytes: the length field has eight bits and the mask comes in words of four bytes.
pub const MAX_SELECTIVE_ACK: usize = 252;

pub(crate) const EXTENSION_NONE: u8 = 0;
pub(crate) const EXTENSION_SELECTIVE_ACK: u8 = 1;
/// Eight bytes of flags that nobody has defined. libutp drops packets whose first extension it does not know, and it knows this one: so it
/// stands in front of those that it does not know, which are then skipped.
pub(crate) const EXTENSION_BITS: u8 = 2;
const BITS_LENGTH: usize = 8;
pub(crate) const EXTENSION_CLOSE_REASON: u8 = 3;
/// Filler of path MTU probes. No specification has this number, so every decoder skips it.
pub(crate) const EXTENSION_PADDING: u8 = 0x7f;
/// Ranges of received packets beyond the reach of a selective ack: an extension of ours, which others skip. Its body is a list of pairs of
/// 16-bit numbers: packets that are missing, and packets that have arrived after them, counted from `ack_nr + 1` on. A list goes on in the
/// next extension of this type.
pub(crate) const EXTENSION_RANGES: u8 = 0x7e;
/// Pairs in one extension.
const RANGES_IN_EXTENSION: usize = 63;
/// Length of the type and length fields in front of an extension's body.
const EXTENSION_HEADER: usize = 2;

/// The kind of a packet (BEP 29, "type").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these and no others")]
pub enum Kind {
    /// `ST_DATA`: carries payload.
    Data,
    /// `ST_FIN`: nothing follows in this direction.
    Fin,
    /// `ST_STATE`: only acknowledges.
    State,
    /// `ST_RESET`: the sender knows nothing of the connection.
    Reset,
    /// `ST_SYN`: opens a connection.
    Syn,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Data,
            1 => Self::Fin,
            2 => Self::State,
            3 => Self::Reset,
            4 => Self::Syn,
            _ => return None,
        })
    }

    const fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Fin => 1,
            Self::State => 2,
            Self::Reset => 3,
            Self::Syn => 4,
        }
    }
}

/// Why a connection ends, as libtorrent's `close_reason` extension says it. Zero says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct CloseReason(pub u16);

/// The fixed part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header's fields are fixed by the protocol")]
pub struct Header {
    /// What the packet is.
    pub kind: Kind,
    /// Names the connection at the receiver.
    pub connection_id: u16,
    /// When it was sent, in microseconds on the sender's clock.
    pub timestamp: u32,
    /// The delay of the last packet that the sender received, in microseconds, by clocks that do not agree.
    pub timestamp_difference: u32,
    /// Bytes that the sender can still take (`wnd_size`).
    pub window: u32,
    /// The packet's own number.
    pub seq: SeqNr,
    /// The last number that the sender received in order.
    pub ack: SeqNr,
}

/// A decoded packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: Header,
    /// Which packets after `ack + 1` have arrived.
    pub selective_ack: Option<SelectiveAck<'a>>,
    /// Why the sender closes the connection.
    pub close_reason: Option<CloseReason>,
    /// Extensions as they stand in the packet, and the type of the first.
    extensions: (u8, &'a [u8]),
    /// The stream's bytes.
    pub payload: &'a [u8],
}

/// What makes a datagram no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than a header.
    #[error("{0} bytes are no uTP header")]
    Short(usize),
    /// Another version.
    #[error("uTP version {0} is not known")]
    Version(u8),
    /// Another type.
    #[error("uTP packet type {0} is not known")]
    Kind(u8),
    /// An extension says that it is longer than the datagram.
    #[error("a uTP extension is longer than its packet")]
    Extension,
    /// `ST_DATA` without payload.
    #[error("a uTP data packet has no payload")]
    Empty,
}

/// Is this the first byte of a uTP packet? What a demultiplexer asks.
#[must_use]
pub const fn is_utp(first_byte: u8) -> bool {
    first_byte & 0x0f == VERSION && Kind::from_number(first_byte >> 4).is_some()
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Unknown extensions are skipped, and of repeated ones the last counts.
    ///
    /// # Errors
    /// If it is not a packet of version 1.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let Some((fixed, mut rest)) = datagram.split_first_chunk::<HEADER_LENGTH>() else {
            return Err(Malformed::Short(datagram.len()));
        };
        let &[first, mut extension, id0, id1, t0, t1, t2, t3, d0, d1, d2, d3, w0, w1, w2, w3, s0, s1, a0, a1] = fixed;
        if first & 0x0f != VERSION {
            return Err(Malformed::Version(first & 0x0f));
        }
        let kind = Kind::from_number(first >> 4).ok_or(Malformed::Kind(first >> 4))?;
        let header = Header {
            kind,
            connection_id: u16::from_be_bytes([id0, id1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            timestamp_difference: u32::from_be_bytes([d0, d1, d2, d3]),
            window: u32::from_be_bytes([w0, w1, w2, w3]),
            seq: SeqNr(u16::from_be_bytes([s0, s1])),
            ack: SeqNr(u16::from_be_bytes([a0, a1])),
        };
        let mut selective_ack = None;
        let mut close_reason = None;
        let extensions = (extension, rest);
        while extension != EXTENSION_NONE {
            let (&[next, length], body) = rest.split_first_chunk::<EXTENSION_HEADER>().ok_or(Malformed::Extension)?;
            let (body, after) = body.split_at_checked(length.into()).ok_or(Malformed::Extension)?;
            match extension {
                EXTENSION_SELECTIVE_ACK => selective_ack = Some(SelectiveAck(body)),
                EXTENSION_CLOSE_REASON => {
                    if let &[_, _, high, low] = body {
                        close_reason =
                            Some(CloseReason(u16::from_be_bytes([high, low]))).filter(|reason| reason.0 != 0);
                    }
                }
                _ => {}
            }
            extension = next;
            rest = after;
        }
        if kind == Kind::Data && rest.is_empty() {
            return Err(Malformed::Empty);
        }
        Ok(Self { header, selective_ack, close_reason, extensions, payload: rest })
    }

    /// Which packets after `ack` have arrived, as begins and ends counted from `ack`, if the sender said so with our own extension.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        let bodies = Extensions(self.extensions).filter(|&(kind, _)| kind == EXTENSION_RANGES).map(|(_, body)| body);
        let mut at = 1_u16;
        bodies.flat_map(|body| body.as_chunks::<4>().0).map_while(move |&[m0, m1, r0, r1]| {
            let begin = at.checked_add(u16::from_be_bytes([m0, m1]))?;
            at = begin.checked_add(u16::from_be_bytes([r0, r1]))?;
            Some((begin, at))
        })
    }

    /// Appends a packet to `out`, with whichever extensions are given.
    pub fn encode(
        header: &Header,
        selective_ack: Option<SelectiveAck<'_>>,
        close_reason: Option<CloseReason>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        header.encode_extended(selective_ack, &[], close_reason, out);
        out.extend_from_slice(payload);
    }
}

/// Walks over the extensions of a packet that was decoded.
struct Extensions<'a>((u8, &'a [u8]));

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0;
        if kind == EXTENSION_NONE {
            return None;
        }
        let (&[next, length], body) = rest.split_first_chunk::<EXTENSION_HEADER>()?;
        let (body, after) = body.split_at_checked(length.into())?;
        self.0 = (next, after);
        Some((kind, body))
    }
}

impl Header {
    /// Appends the fixed part, with the type of the first extension.
    pub(crate) fn encode(&self, extension: u8, out: &mut Vec<u8>) {
        let [i0, i1] = self.connection_id.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [d0, d1, d2, d3] = self.timestamp_difference.to_be_bytes();
        let [w0, w1, w2, w3] = self.window.to_be_bytes();
        let [s0, s1] = self.seq.0.to_be_bytes();
        let [a0, a1] = self.ack.0.to_be_bytes();
        let first = (self.kind.number() << 4) | VERSION;
        let fixed: [u8; HEADER_LENGTH] =
            [first, extension, i0, i1, t0, t1, t2, t3, d0, d1, d2, d3, w0, w1, w2, w3, s0, s1, a0, a1];
        out.extend_from_slice(&fixed);
    }

    /// Appends the fixed part and extensions. `ranges` are pairs of missing and received packets.
    pub(crate) fn encode_extended(
        &self,
        selective_ack: Option<SelectiveAck<'_>>,
        ranges: &[(u16, u16)],
        close_reason: Option<CloseReason>,
        out: &mut Vec<u8>,
    ) {
        self.encode(EXTENSION_NONE, out);
        // The type of an extension stands where the one before begins, in the header or in front of its length.
        let mut link = out.len().saturating_sub(HEADER_LENGTH).saturating_add(1);
        let mut extension = |kind: u8, length: usize, out: &mut Vec<u8>| {
            if let Some(place) = out.get_mut(link) {
                *place = kind;
            }
            link = out.len();
            out.extend([EXTENSION_NONE, u8::try_from(length).unwrap_or(u8::MAX)]);
        };
        if let Some(SelectiveAck(mask)) = selective_ack.filter(|sack| !sack.0.is_empty()) {
            let mask = mask.get(..MAX_SELECTIVE_ACK).unwrap_or(mask);
            extension(EXTENSION_SELECTIVE_ACK, mask.len(), out);
            out.extend_from_slice(mask);
        }
        for part in ranges.chunks(RANGES_IN_EXTENSION) {
            extension(EXTENSION_RANGES, part.len().saturating_mul(4), out);
            for (missing, received) in part {
                out.extend(missing.to_be_bytes());
                out.extend(received.to_be_bytes());
            }
        }
        if let Some(CloseReason(reason)) = close_reason {
            if selective_ack.is_none_or(|sack| sack.0.is_empty()) {
                extension(EXTENSION_BITS, BITS_LENGTH, out);
                out.extend([0; BITS_LENGTH]);
            }
            extension(EXTENSION_CLOSE_REASON, 4, out);
            let [high, low] = reason.to_be_bytes();
            out.extend([0, 0, high, low]);
        }
    }

    /// Appends the fixed part and filler of exactly `padding` bytes, which are 0 or as many as [`is_padding`] allows.
    pub(crate) fn encode_padded(&self, padding: usize, out: &mut Vec<u8>) {
        let Some(mut left) = padding.checked_sub(MIN_PADDING) else { return self.encode(EXTENSION_NONE, out) };
        self.encode(EXTENSION_BITS, out);
        let next = |left: usize| if left == 0 { EXTENSION_NONE } else { EXTENSION_PADDING };
        out.extend([next(left), 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        while left > 0 {
            // A block takes 2 to 257 bytes, and what is left must not be a single byte.
            let mut block = left.min(EXTENSION_HEADER + usize::from(u8::MAX));
            if left.saturating_sub(block) == 1 {
                block = block.saturating_sub(1);
            }
            left = left.saturating_sub(block);
            let body = block.saturating_sub(EXTENSION_HEADER);
            out.extend([next(left), u8::try_from(body).unwrap_or(u8::MAX)]);
            out.resize(out.len().saturating_add(body), 0);
        }
    }
}

/// The shortest filler.
pub(crate) const MIN_PADDING: usize = EXTENSION_HEADER + BITS_LENGTH;

/// Can filler be so long?
pub(crate) const fn is_padding(length: usize) -> bool {
    length == MIN_PADDING || length >= MIN_PADDING + EXTENSION_HEADER
}

/// The bitmask of a selective ack. Bit `n` stands for packet `ack_nr + 2 + n` (BEP 29, "Selective ACK").
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SelectiveAck<'a>(&'a [u8]);

impl<'a> SelectiveAck<'a> {
    /// A bitmask as it stands in a packet.
    #[must_use]
    pub const fn new(mask: &'a [u8]) -> Self {
        Self(mask)
    }

    /// The bits that are set: how far behind `ack_nr + 2` each received packet is.
    pub fn received(self) -> impl Iterator<Item = u16> + 'a {
        self.0.iter().zip((0_u16..).step_by(8)).flat_map(|(&byte, base)| {
            let mut bits = byte;
            std::iter::from_fn(move || {
                let bit = u16::try_from(bits.trailing_zeros()).ok().filter(|_| bits != 0)?;
                bits &= bits.wrapping_sub(1);
                Some(base.wrapping_add(bit))
            })
        })
    }
}

impl fmt::Debug for SelectiveAck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.received()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(kind: Kind) -> Header {
        Header {
            kind,
            connection_id: 0x1234,
            timestamp: 0xa1b2_c3d4,
            timestamp_difference: 0x1122_3344,
            window: 0x5566_7788,
            seq: SeqNr(0x99aa),
            ack: SeqNr(0xbbcc),
        }
    }

    #[test]
    fn the_header_lies_as_the_bep_draws_it() {
        let mut out = Vec::new();
        Packet::encode(&header(Kind::Syn), None, None, &[], &mut out);
        assert_eq!(
            out,
            [
                0x41, 0, 0x12, 0x34, 0xa1, 0xb2, 0xc3, 0xd4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
                0xaa, 0xbb, 0xcc
            ]
        );
    }

    #[test]
    fn bits_of_a_selective_ack_count_from_the_lowest_of_each_byte() {
        let mask = [0b0000_0001, 0b1000_0010, 0, 1];
        assert_eq!(SelectiveAck::new(&mask).received().collect::<Vec<_>>(), [0, 9, 15, 24]);
    }

    #[test]
    fn unknown_extensions_are_skipped() {
        let mut out = Vec::new();
        header(Kind::Data).encode(99, &mut out);
        out.extend([1, 3, 7, 7, 7, 200, 4, 1, 0, 0, 0, 0, 0, b'x']);
        let packet = Packet::decode(&out).unwrap();
        assert_eq!(packet.payload, b"x");
        assert_eq!(packet.selective_ack.unwrap().received().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn an_extension_that_runs_over_the_end_is_refused() {
        let mut out = Vec::new();
        header(Kind::State).encode(1, &mut out);
        assert_eq!(Packet::decode(&out), Err(Malformed::Extension));
        out.extend([0, 4, 1, 2, 3]);
        assert_eq!(Packet::decode(&out), Err(Malformed::Extension));
    }

    #[test]
    fn the_first_extension_is_one_that_libutp_knows() {
        let mut out = Vec::new();
        header(Kind::Fin).encode_extended(None, &[], Some(CloseReason(7)), &mut out);
        assert_eq!(out[1], EXTENSION_BITS);
        assert_eq!(Packet::decode(&out).unwrap().close_reason, Some(CloseReason(7)));
        out.clear();
        header(Kind::Data).encode_padded(MIN_PADDING, &mut out);
        assert_eq!((out[1], out.len()), (EXTENSION_BITS, HEADER_LENGTH + MIN_PADDING));
    }

    #[test]
    fn all_extensions_fit_in_one_packet() {
        let ranges: Vec<_> = (1..=100).map(|n| (n, 2)).collect();
        let mut out = Vec::new();
        header(Kind::State).encode_extended(Some(SelectiveAck::new(&[4; 8])), &ranges, Some(CloseReason(7)), &mut out);
        let packet = Packet::decode(&out).unwrap();
        assert_eq!(packet.close_reason, Some(CloseReason(7)));
        assert_eq!(packet.selective_ack, Some(SelectiveAck::new(&[4; 8])));
        let decoded: Vec<_> = packet.ranges().collect();
        assert_eq!(decoded.len(), 100);
        assert_eq!(decoded[..3], [(2, 4), (6, 8), (11, 13)]);
    }

    #[test]
    fn a_data_packet_without_payload_is_refused() {
        let mut out = Vec::new();
        header(Kind::Data).encode(0, &mut out);
        assert_eq!(Packet::decode(&out), Err(Malformed::Empty));
    }

    #[test]
    fn dht_and_tracker_datagrams_are_not_taken_for_utp() {
        assert!(!is_utp(b'd'));
        assert!((0..=3).all(|_action| !is_utp(0)));
        assert!([0x01, 0x11, 0x21, 0x31, 0x41].into_iter().all(is_utp));
        assert!(!is_utp(0x51) && !is_utp(0x02));
    }

    proptest! {
        #[test]
        fn padding_of_any_length_is_skipped(padding in (12_usize..3000), payload in prop::collection::vec(any::<u8>(), 1..40)) {
            let mut out = Vec::new();
            header(Kind::Data).encode_padded(padding, &mut out);
            prop_assert_eq!(out.len(), HEADER_LENGTH + padding);
            out.extend_from_slice(&payload);
            prop_assert_eq!(Packet::decode(&out).unwrap().payload, &payload[..]);
        }
    }
}
