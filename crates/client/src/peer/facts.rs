//! What the wire machine has checked, in the swarm's words.

use torrent_swarm::Fact;
use torrent_types::Bitfield;
use torrent_wire::{Connection, Event};

/// Pushes what `event` means to the swarm; nothing if it means nothing.
pub(crate) fn translate(event: &Event<'_>, connection: &Connection, facts: &mut Vec<Fact>) {
    let fact = match *event {
        Event::AllowedFast(piece) => Fact::AllowedFast(piece),
        Event::Bitfield(bytes) => {
            let pieces = connection.geometry().map_or(0, |geometry| geometry.piece_count());
            let Ok(field) = Bitfield::from_bytes(bytes, pieces) else { return };
            Fact::Bitfield(field)
        }
        Event::Cancelled(block) => Fact::Cancelled(block),
        Event::Choked => Fact::Choked,
        Event::DontHave(piece) => Fact::DontHave(piece),
        Event::ExtendedHandshake(_) => {
            let remote = connection.remote();
            facts.push(Fact::RequestQueue(remote.reqq));
            facts.push(Fact::UploadOnly(remote.upload_only));
            facts.extend(remote.listen_port.map(Fact::ListenPort));
            return;
        }
        Event::Have(piece) => Fact::Have(piece),
        Event::HaveAll => Fact::HaveAll,
        Event::HaveNone => Fact::HaveNone,
        Event::Interested => Fact::Interested,
        Event::NotInterested => Fact::NotInterested,
        Event::Piece { block, .. } => Fact::Received(block),
        Event::Rejected(block) => Fact::Rejected(block),
        Event::Requested(block) => Fact::Requested(block),
        Event::Unchoked => Fact::Unchoked,
        _ => return,
    };
    facts.push(fact);
}
