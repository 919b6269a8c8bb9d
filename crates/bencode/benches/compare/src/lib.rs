//! Nothing but benchmarks: see `benches/decode.rs`.
