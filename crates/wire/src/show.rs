//! What goes into logs: messages and events by name and numbers, payloads by their length and first bytes.

use std::fmt;

use crate::{Event, Message};

/// At most eight bytes, and how many there are.
struct Payload<'a>(&'a [u8]);

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())?;
        let shown = self.0.get(..8).unwrap_or(self.0);
        if !shown.is_empty() {
            f.write_str(" ")?;
        }
        shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(if shown.len() < self.0.len() { "…" } else { "" })
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAlive => f.write_str("KeepAlive"),
            Self::Choke => f.write_str("Choke"),
            Self::Unchoke => f.write_str("Unchoke"),
            Self::Interested => f.write_str("Interested"),
            Self::NotInterested => f.write_str("NotInterested"),
            Self::Have(piece) => write!(f, "Have({piece})"),
            Self::Bitfield(bits) => write!(f, "Bitfield({:?})", Payload(bits)),
            Self::Request(block) => write!(f, "Request({block:?})"),
            Self::Piece { piece, begin, data } => {
                write!(f, "Piece {{ piece: {piece}, begin: {begin}, data: {:?} }}", Payload(data))
            }
            Self::Cancel(block) => write!(f, "Cancel({block:?})"),
            Self::Port(port) => write!(f, "Port({port})"),
            Self::Suggest(piece) => write!(f, "Suggest({piece})"),
            Self::HaveAll => f.write_str("HaveAll"),
            Self::HaveNone => f.write_str("HaveNone"),
            Self::Reject(block) => write!(f, "Reject({block:?})"),
            Self::AllowedFast(piece) => write!(f, "AllowedFast({piece})"),
            Self::Extended { id, payload } => named(f, "Extended", *id, payload),
            Self::HashRequest(range) => write!(f, "HashRequest({range:?})"),
            Self::Hashes { range, hashes } => write!(f, "Hashes {{ range: {range:?}, hashes: {:?} }}", Payload(hashes)),
            Self::HashReject(range) => write!(f, "HashReject({range:?})"),
            Self::Unknown { id, payload } => named(f, "Unknown", *id, payload),
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAlive => f.write_str("KeepAlive"),
            Self::Redundant => f.write_str("Redundant"),
            Self::Choked => f.write_str("Choked"),
            Self::Unchoked => f.write_str("Unchoked"),
            Self::Interested => f.write_str("Interested"),
            Self::NotInterested => f.write_str("NotInterested"),
            Self::Have(piece) => write!(f, "Have({piece})"),
            Self::Bitfield(bits) => write!(f, "Bitfield({:?})", Payload(bits)),
            Self::HaveAll => f.write_str("HaveAll"),
            Self::HaveNone => f.write_str("HaveNone"),
            Self::DontHave(piece) => write!(f, "DontHave({piece})"),
            Self::Requested(block) => write!(f, "Requested({block:?})"),
            Self::Piece { block, data } => write!(f, "Piece {{ block: {block:?}, data: {:?} }}", Payload(data)),
            Self::Cancelled(block) => write!(f, "Cancelled({block:?})"),
            Self::Rejected(block) => write!(f, "Rejected({block:?})"),
            Self::Suggested(piece) => write!(f, "Suggested({piece})"),
            Self::AllowedFast(piece) => write!(f, "AllowedFast({piece})"),
            Self::Port(port) => write!(f, "Port({port})"),
            Self::HashesRequested(range) => write!(f, "HashesRequested({range:?})"),
            Self::Hashes { range, hashes } => write!(f, "Hashes {{ range: {range:?}, hashes: {:?} }}", Payload(hashes)),
            Self::HashesRejected(range) => write!(f, "HashesRejected({range:?})"),
            Self::ExtendedHandshake(handshake) => handshake.fmt(f),
            Self::Metadata(message) => write!(f, "Metadata({message:?})"),
            Self::Pex(pex) => pex.fmt(f),
            Self::Holepunch(message) => write!(f, "Holepunch({message:?})"),
            Self::Extension { id, payload } => named(f, "Extension", id.get(), payload),
            Self::UnknownExtension { id, payload } => named(f, "UnknownExtension", *id, payload),
            Self::Unknown { id, payload } => named(f, "Unknown", *id, payload),
        }
    }
}

fn named(f: &mut fmt::Formatter<'_>, name: &str, id: u8, payload: &[u8]) -> fmt::Result {
    write!(f, "{name} {{ id: {id}, payload: {:?} }}", Payload(payload))
}

/// What [`crate::MetadataMessage`] and [`crate::ExtendedHandshake`] show of their payloads.
pub(crate) fn payload(bytes: &[u8]) -> impl fmt::Debug {
    Payload(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_not_spilled_into_logs() {
        let message = Message::Piece { piece: 1, begin: 2, data: &[7; 16384] };
        assert_eq!(format!("{message:?}"), "Piece { piece: 1, begin: 2, data: 16384 bytes 0707070707070707… }");
        assert_eq!(format!("{:?}", Message::Bitfield(&[])), "Bitfield(0 bytes)");
        assert_eq!(format!("{:?}", Event::Bitfield(&[0xff, 0x80])), "Bitfield(2 bytes ff80)");
    }
}
