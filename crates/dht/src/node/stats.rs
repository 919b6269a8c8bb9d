//! Counters and gauges of a node.

/// Datagrams and what they were. Counters only go up; gauges are marked so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that came in.
    pub datagrams_in: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Datagrams that went out.
    pub datagrams_out: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// Datagrams that are no KRPC message.
    pub malformed: u64,
    /// Datagrams from addresses that the policy does not allow, or of the other family.
    pub refused: u64,
    /// Queries sent.
    pub queries_out: u64,
    /// Queries that were answered.
    pub answered: u64,
    /// Queries that were answered with an error.
    pub errors_in: u64,
    /// Queries that were not answered in time.
    pub timeouts: u64,
    /// Answers to no query of ours.
    pub unsolicited: u64,
    /// Queries that came in.
    pub queries_in: u64,
    /// Of these, `ping`.
    pub pings_in: u64,
    /// Of these, `find_node`.
    pub find_nodes_in: u64,
    /// Of these, `get_peers`.
    pub get_peers_in: u64,
    /// Of these, `announce_peer`.
    pub announces_in: u64,
    /// Of these, `get`.
    pub gets_in: u64,
    /// Of these, `put`.
    pub puts_in: u64,
    /// Of these, `sample_infohashes`.
    pub samples_in: u64,
    /// Of these, unknown methods.
    pub unknown_in: u64,
    /// Queries that were not answered because their source, or all together, asked too much.
    pub rate_limited: u64,
    /// Errors sent.
    pub errors_out: u64,
    /// Announces and puts whose token was not ours.
    pub bad_tokens: u64,
    /// Lookups that ended.
    pub lookups_finished: u64,
    /// Announces of the schedule that at least one node stored.
    pub announces_stored: u64,
    /// Gauge: nodes in the routing table.
    pub nodes: usize,
    /// Gauge: of these, nodes that answer.
    pub good_nodes: usize,
    /// Gauge: queries that wait for an answer.
    pub in_flight: usize,
    /// Gauge: lookups that run.
    pub lookups: usize,
    /// Gauge: lookups that wait for one that runs to end.
    pub waiting: usize,
    /// Gauge: torrents that are kept announced.
    pub scheduled: usize,
    /// Gauge: of these, torrents whose time has come.
    pub late: usize,
    /// Gauge: torrents whose peers are stored.
    pub stored_hashes: usize,
    /// Gauge: peers stored.
    pub stored_peers: usize,
    /// Gauge: items stored.
    pub stored_items: usize,
    /// Gauge: about how many nodes the whole DHT has, from how close the closest are.
    pub network_size: u64,
}
