//! The fixed-size identifiers of BEP 3 (info hash, peer id) and BEP 52 (v2 info hash).
//! Never: hashing itself, base32 (see the magnet link of `torrent-metainfo`).

use std::{error, fmt, str::FromStr};

use crate::hex;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// Wraps the raw bytes.
            #[must_use]
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = ParseHashError;

            fn try_from(bytes: &[u8]) -> Result<Self, ParseHashError> {
                bytes.try_into().map(Self).map_err(|_| ParseHashError { expected: $length })
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            /// Reads hexadecimal digits of either case.
            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                hex::parse(text).map(Self).ok_or(ParseHashError { expected: $length })
            }
        }
    };
}

identifier! {
    /// SHA-1 of a v1 `info` dictionary, or the first 20 bytes of a v2 info hash where a protocol has room for no more.
    /// BEP 3 § "metainfo files".
    InfoHash, 20
}

identifier! {
    /// SHA-256 of a v2 `info` dictionary. BEP 52 § "Infohash".
    InfoHashV2, 32
}

identifier! {
    /// The 20 bytes by which a peer names itself. BEP 20 gives most of them a readable beginning.
    PeerId, 20
}

impl InfoHashV2 {
    /// The first 20 bytes, as trackers, DHT and handshakes carry it. BEP 52 § "Infohash".
    #[must_use]
    pub fn truncated(&self) -> InfoHash {
        let (head, _) = self.0.split_first_chunk::<20>().expect("32 is more than 20");
        InfoHash(*head)
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

/// Printable ASCII as it is, everything else as `%xx`: peer ids begin with readable text.
impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| match byte {
            b'!'..=b'$' | b'&'..=b'~' => write!(f, "{}", char::from(byte)),
            _ => write!(f, "%{byte:02x}"),
        })
    }
}

fn short(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8]) -> fmt::Result {
    write!(f, "{name}(")?;
    hex::write(f, bytes.get(..4).unwrap_or(bytes))?;
    f.write_str("…)")
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(f, "InfoHash", &self.0)
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(f, "InfoHashV2", &self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

/// The text or slice is not an identifier of the expected length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseHashError {
    expected: usize,
}

impl fmt::Display for ParseHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} bytes, or twice as many hexadecimal digits", self.expected)
    }
}

impl error::Error for ParseHashError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_in_either_case() {
        let text = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";
        let hash: InfoHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<InfoHash>().unwrap(), hash);
    }

    #[test]
    fn wrong_lengths_and_digits_are_refused() {
        for bad in
            ["", "4090", "zz90c3c2a394a49974dfbbf2ce7ad0db3cdeddd7", "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7ff"]
        {
            assert!(bad.parse::<InfoHash>().is_err(), "{bad}");
        }
        assert!(InfoHash::try_from(&[0; 19][..]).is_err());
    }

    #[test]
    fn v2_truncates_to_its_first_20_bytes() {
        let mut bytes = [7; 32];
        bytes[20..].fill(9);
        assert_eq!(InfoHashV2::new(bytes).truncated(), InfoHash::new([7; 20]));
    }

    #[test]
    fn peer_ids_show_their_readable_part() {
        assert_eq!(PeerId::new(*b"-TR4100-\x00%abcdefghij").to_string(), "-TR4100-%00%25abcdefghij");
    }
}
