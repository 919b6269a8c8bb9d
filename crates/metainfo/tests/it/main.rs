//! The public API: what other programs have made.

mod foreign;
