//! What a handshake ends with: the ciphers of both directions, working in place.
//! An RC4 direction holds 1 KiB; a plain one holds nothing and costs nothing.

use std::fmt;

use super::{Method, rc4::Rc4};

/// The ciphers of one connection.
#[derive(Debug, Default)]
pub struct Ciphers {
    decryptor: Decryptor,
    encryptor: Encryptor,
}

impl Ciphers {
    /// For a connection that begins in plain: nothing is ever changed.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    pub(super) const fn new(decryptor: Decryptor, encryptor: Encryptor) -> Self {
        Self { decryptor, encryptor }
    }

    /// What was agreed on.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self.encryptor.stream {
            None => Method::Plaintext,
            Some(_) => Method::Rc4,
        }
    }

    /// Decrypts received bytes in place. Every byte must pass once and in order.
    pub fn decrypt(&mut self, received: &mut [u8]) {
        self.decryptor.decrypt(received);
    }

    /// Encrypts bytes to be sent in place. Every byte must pass once and in order.
    pub fn encrypt(&mut self, outgoing: &mut [u8]) {
        self.encryptor.encrypt(outgoing);
    }

    /// For reading and writing in different places.
    #[must_use]
    pub fn into_split(self) -> (Decryptor, Encryptor) {
        (self.decryptor, self.encryptor)
    }
}

/// The cipher of the incoming direction.
#[derive(Default)]
pub struct Decryptor {
    inbound: Inbound,
}

#[derive(Default)]
enum Inbound {
    #[default]
    Plain,
    Rc4(Box<Rc4>),
    /// The initial payload is encrypted even if plaintext was selected for what follows it.
    Rc4For {
        stream: Box<Rc4>,
        left: u16,
    },
}

impl Decryptor {
    pub(super) const fn rc4(stream: Box<Rc4>) -> Self {
        Self { inbound: Inbound::Rc4(stream) }
    }

    pub(super) fn rc4_for(stream: Box<Rc4>, left: u16) -> Self {
        Self { inbound: if left == 0 { Inbound::Plain } else { Inbound::Rc4For { stream, left } } }
    }

    /// Whether [`Self::decrypt`] changes nothing any more.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.inbound, Inbound::Plain)
    }

    /// Decrypts received bytes in place. Every byte must pass once and in order.
    pub fn decrypt(&mut self, received: &mut [u8]) {
        match &mut self.inbound {
            Inbound::Plain => {}
            Inbound::Rc4(stream) => stream.apply(received),
            Inbound::Rc4For { stream, left } => {
                let length = received.len().min(usize::from(*left));
                stream.apply(received.get_mut(..length).unwrap_or_default());
                *left = left.saturating_sub(u16::try_from(length).unwrap_or(u16::MAX));
                if *left == 0 {
                    self.inbound = Inbound::Plain;
                }
            }
        }
    }
}

/// The cipher of the outgoing direction.
#[derive(Default)]
pub struct Encryptor {
    stream: Option<Box<Rc4>>,
}

impl Encryptor {
    pub(super) const fn rc4(stream: Box<Rc4>) -> Self {
        Self { stream: Some(stream) }
    }

    pub(super) const fn plain() -> Self {
        Self { stream: None }
    }

    /// Whether [`Self::encrypt`] changes nothing, so that `sendfile` will do.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.stream.is_none()
    }

    /// Encrypts bytes to be sent in place. Every byte must pass once and in order.
    pub fn encrypt(&mut self, outgoing: &mut [u8]) {
        if let Some(stream) = &mut self.stream {
            stream.apply(outgoing);
        }
    }
}

impl fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.inbound {
            Inbound::Plain => "Decryptor(plain)",
            Inbound::Rc4(_) => "Decryptor(RC4)",
            Inbound::Rc4For { .. } => "Decryptor(RC4, then plain)",
        })
    }
}

impl fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_plain() { "Encryptor(plain)" } else { "Encryptor(RC4)" })
    }
}
