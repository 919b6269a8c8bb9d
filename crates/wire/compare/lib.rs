//! Nothing: see `benches/codec.rs`.
