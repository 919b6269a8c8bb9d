//! What the interop suite needs to start foreign clients and trackers.
