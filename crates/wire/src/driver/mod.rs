//! The adaptor for tokio. In: any stream. Out: a peer that one can talk to, or just its metadata.
//! Never: rules of the protocol (see `session`).

mod error;
mod fetch;
mod options;
mod stream;

pub use error::{FetchError, StreamError};
pub use fetch::{fetch_metadata, fetch_metadata_over};
pub use options::{FetchOptions, MetadataHash};
pub use stream::PeerStream;
