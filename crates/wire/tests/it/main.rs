//! The public API from outside: codec, machine and buffer together.

mod codec;
mod connection;
mod session;
mod strategies;
