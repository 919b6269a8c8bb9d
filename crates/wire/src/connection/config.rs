//! What connections have in common.

use std::{sync::Arc, time::Duration};

use crate::Extensions;

/// Settings of a [`Connection`](super::Connection). Cheap to clone; one serves a whole client.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) extensions: Arc<Extensions>,
    pub(super) keep_alive_after: Duration,
    pub(super) silent_after: Duration,
}

impl Default for Config {
    /// All extensions of this crate, keep-alives after 100 s, 150 s of silence allowed.
    fn default() -> Self {
        Self {
            extensions: Arc::new(Extensions::standard()),
            keep_alive_after: Duration::from_secs(100),
            silent_after: Duration::from_secs(150),
        }
    }
}

impl Config {
    /// The extensions that this side takes messages of. Default: [`Extensions::standard`].
    #[must_use]
    pub fn extensions(mut self, extensions: impl Into<Arc<Extensions>>) -> Self {
        self.extensions = extensions.into();
        self
    }

    /// How long to send nothing before a keep-alive. Default: 100 s, so that it arrives within the two minutes after
    /// which peers may close. BEP 3 § "peer messages".
    #[must_use]
    pub const fn keep_alive_after(mut self, duration: Duration) -> Self {
        self.keep_alive_after = duration;
        self
    }

    /// How long the peer may send nothing. Default: 150 s, so that one who sends a keep-alive every two minutes sharp
    /// is kept.
    #[must_use]
    pub const fn silent_after(mut self, duration: Duration) -> Self {
        self.silent_after = duration;
        self
    }
}
