//! The public API, and whole connections in virtual time.

mod flows;
mod net;
mod protocol;
mod table;
