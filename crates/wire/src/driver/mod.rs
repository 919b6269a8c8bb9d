//! The adaptor for tokio. In: any stream. Out: a peer that one can talk to, or just its metadata.
//! Never: rules of the protocol (see `session`).

mod fetch;
mod stream;

pub use fetch::{FetchError, FetchOptions, MetadataHash, fetch_metadata, fetch_metadata_over};
pub use stream::{PeerStream, StreamError};
