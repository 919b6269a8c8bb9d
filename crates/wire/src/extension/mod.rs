//! The extension protocol and the common extensions. Spec: BEP 10; each file names its own.
//! In: payloads of extended messages. Out: what they say; and the reverse. Never: sockets, the swarm.

mod handshake;
mod holepunch;
mod metadata;
mod pex;
mod registry;

use torrent_bencode::Options;

pub use handshake::{ExtendedHandshake, RemoteInfo};
pub use holepunch::{Holepunch, HolepunchError};
pub use metadata::{Assembled, METADATA_BLOCK_LENGTH, MetadataEvent, MetadataFault, MetadataFetch, MetadataMessage};
pub use pex::{Pex, PexFlags, PexOutlet};
pub use registry::{ExtensionId, Extensions, ExtensionsError};

pub(crate) use pex::PexIntake;
pub(crate) use registry::Registry;

use std::{error, fmt};

/// Id of the extended handshake.
pub(crate) const HANDSHAKE_ID: u8 = 0;

/// Payloads in the wild have unsorted keys; none has reason to be deep or to have many values.
fn options() -> Options {
    Options::lenient().max_bytes(256 * 1024).max_depth(8).max_tokens(2048)
}

/// The payload of an extended message is not what its specification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MalformedPayload;

impl fmt::Display for MalformedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed payload of an extended message")
    }
}

impl error::Error for MalformedPayload {}
