//! The allowed-fast set. BEP 6 § "Allowed Fast Set Generation".
