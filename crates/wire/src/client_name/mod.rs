//! Which client a peer is, from its peer id. BEP 20.
