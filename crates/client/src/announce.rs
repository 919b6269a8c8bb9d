//! When and where the torrent is announced. Trackers are not asked yet: peers are those that the user names.

use std::sync::Arc;

use crate::torrent::{Shared, stopped};

/// Announces one torrent for as long as it lives.
pub(crate) struct Announcer;

impl Announcer {
    pub(crate) fn new(_tiers: &[Vec<String>], _seed: u64) -> Self {
        Self
    }

    pub(crate) async fn run(self, torrent: Arc<Shared>) {
        stopped(&mut torrent.stop.subscribe()).await;
    }
}
