//! What outlives a node: its id and the nodes that it knew, for each address family.
//! Out and in: a bencoded file of some kilobytes, read leniently: what is damaged is left out, not the rest.

use std::net::SocketAddr;

use torrent_bencode::{Document, Encoder, Node, Options};

use crate::{
    id::Id,
    krpc::{Contact, Response},
    node::Family,
};

/// The state of a [`Node`](crate::Node) to begin with next time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers, too")]
pub struct NodeSnapshot {
    /// Whose DHT.
    pub family: Family,
    /// The id of the node.
    pub id: Id,
    /// Nodes that answered, the last seen first.
    pub contacts: Vec<Contact>,
}

/// The states of all nodes of one [`Dht`](crate::Dht).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// One for each node, in the order in which they were bound.
    pub nodes: Vec<NodeSnapshot>,
}

/// Contacts of one node that are read.
const MAX_CONTACTS: usize = 2000;
/// Nodes that are read.
const MAX_NODES: usize = 64;

/// The bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a saved DHT state: {0}")]
pub struct SnapshotError(torrent_bencode::Error);

impl Snapshot {
    /// Of these nodes.
    #[must_use]
    pub const fn new(nodes: Vec<NodeSnapshot>) -> Self {
        Self { nodes }
    }

    /// To be written to a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(&mut out).dict(|file| {
            file.list("nodes", |nodes| {
                for node in &self.nodes {
                    nodes.dict(|entry| {
                        let mut packed = Vec::new();
                        for contact in &node.contacts {
                            contact.pack(&mut packed);
                        }
                        entry.put("contacts", packed.as_slice());
                        entry.put("family", if node.family == Family::V4 { 4u8 } else { 6 });
                        entry.put("id", node.id.as_bytes());
                    });
                }
            });
            file.put("version", 1u8);
        });
        out
    }

    /// From a file.
    ///
    /// # Errors
    /// If it is not bencoded.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let options = Options::lenient().max_bytes(16 << 20).max_depth(8).max_tokens(10_000);
        let document = Document::decode(bytes, &options).map_err(SnapshotError)?;
        let nodes = document.root().find("nodes").and_then(|nodes| nodes.as_list()).into_iter().flatten();
        Ok(Self { nodes: nodes.take(MAX_NODES).filter_map(node).collect() })
    }
}

fn node(entry: Node<'_, '_>) -> Option<NodeSnapshot> {
    let id = Id::new(*entry.find("id")?.as_array()?);
    let packed = entry.find("contacts").and_then(|contacts| contacts.as_bytes()).unwrap_or_default();
    let valid = |contact: &Contact| contact.address.port() != 0;
    let (family, contacts) = match entry.find("family")?.as_int()? {
        4 => {
            let response = Response { nodes: Some(packed), ..Response::default() };
            (Family::V4, response.contacts_v4().filter(valid).take(MAX_CONTACTS).collect())
        }
        6 => {
            let response = Response { nodes6: Some(packed), ..Response::default() };
            (Family::V6, response.contacts_v6().filter(valid).take(MAX_CONTACTS).collect())
        }
        _ => return None,
    };
    Some(NodeSnapshot { family, id, contacts })
}

impl NodeSnapshot {
    /// Addresses alone, without ids.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.contacts.iter().map(|contact| contact.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_come_back_with_their_ids() {
        let contact = |n: u8, address: &str| Contact { id: Id::new([n; 20]), address: address.parse().unwrap() };
        let snapshot = Snapshot::new(vec![
            NodeSnapshot {
                family: Family::V4,
                id: Id::new([1; 20]),
                contacts: vec![contact(2, "1.2.3.4:5"), contact(3, "4.3.2.1:6")],
            },
            NodeSnapshot { family: Family::V6, id: Id::new([4; 20]), contacts: vec![contact(5, "[2001:db8::1]:7")] },
        ]);
        assert_eq!(Snapshot::from_bytes(&snapshot.to_bytes()), Ok(snapshot.clone()));
        let mut damaged = snapshot.to_bytes();
        let end = damaged.len();
        damaged[end - 3] = b'x';
        assert!(Snapshot::from_bytes(&damaged).is_err());
        assert_eq!(Snapshot::from_bytes(b"d5:nodesli1ede6:family1:xee4:trueee").map(|s| s.nodes.len()), Ok(0));
    }
}
