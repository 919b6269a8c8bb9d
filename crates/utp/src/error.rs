//! How connections end, and what cannot be done.

use std::io;

/// Why a connection ended other than in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The peer answered our SYN with a RESET, or its host with an ICMP message.
    #[error("the peer refuses uTP connections")]
    Refused,
    /// The peer has sent a RESET.
    #[error("the peer has reset the uTP connection")]
    Reset,
    /// Packets were sent again and again, and nothing came back.
    #[error("the peer no longer answers over uTP")]
    TimedOut,
    /// The peer has acknowledged a packet that was never sent.
    #[error("the peer acknowledges uTP packets that it has not received")]
    OptimisticAck,
    /// We have ended the connection at once.
    #[error("the uTP connection was aborted")]
    Aborted,
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::Refused => io::ErrorKind::ConnectionRefused,
            Fault::Reset | Fault::OptimisticAck => io::ErrorKind::ConnectionReset,
            Fault::TimedOut => io::ErrorKind::TimedOut,
            Fault::Aborted => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, fault)
    }
}

/// Why nobody can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There are as many connections as [`Config::max_connections`](crate::Config::max_connections) allows.
    #[error("there are too many uTP connections")]
    TooMany,
    /// All connection ids towards this address are taken, or the address has no port.
    #[error("no uTP connection to this address is possible")]
    Address,
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = match error {
            ConnectError::TooMany => io::ErrorKind::QuotaExceeded,
            ConnectError::Address => io::ErrorKind::AddrNotAvailable,
        };
        Self::new(kind, error)
    }
}

/// What cannot be done with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The connection ended.
    #[error(transparent)]
    Ended(#[from] Fault),
    /// The key names no connection, or no longer.
    #[error("there is no such uTP connection")]
    Unknown,
    /// The stream was finished from this side.
    #[error("the uTP stream was finished")]
    Finished,
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Ended(fault) => fault.into(),
            StreamError::Unknown => Self::new(io::ErrorKind::NotConnected, error),
            StreamError::Finished => Self::new(io::ErrorKind::BrokenPipe, error),
        }
    }
}
