//! The driver for tokio. In: any stream. Out: a peer that one can talk to, or just its metadata, encrypted or not.
//! Never: rules of the protocol (see `peer_session`, `mse` and `MetadataFetch`).

mod error;
mod fetch;
pub mod mse;
mod options;
mod stream;

pub use error::{FetchError, StreamError};
pub use fetch::{fetch_metadata, fetch_metadata_over};
pub use options::{FetchOptions, MetadataHash};
pub use stream::PeerStream;
