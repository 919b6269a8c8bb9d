//! Message Stream Encryption.
