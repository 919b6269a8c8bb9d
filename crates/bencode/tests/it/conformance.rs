//! What is bencoding and what is not, as a table. BEP 3 § "bencoding".

use torrent_bencode::{Document, ErrorKind, Options, Value, WarningKind};

/// Input, what strict decoding says, what lenient decoding says.
type Row = (&'static [u8], Result<(), (ErrorKind, usize)>, Result<&'static [(WarningKind, usize)], (ErrorKind, usize)>);

/// Wrong in either mode.
const fn wrong(input: &'static [u8], kind: ErrorKind, offset: usize) -> Row {
    (input, Err((kind, offset)), Err((kind, offset)))
}

/// Right in either mode.
const fn right(input: &'static [u8]) -> Row {
    (input, Ok(()), Ok(&[]))
}

/// Tolerated in lenient mode.
const fn odd(
    input: &'static [u8],
    (strict, offset): (ErrorKind, usize),
    lenient: &'static [(WarningKind, usize)],
) -> Row {
    (input, Err((strict, offset)), Ok(lenient))
}

const ROWS: &[Row] = &[
    // Integers.
    right(b"i0e"),
    right(b"i-1e"),
    right(b"i42e"),
    right(b"i10e"),
    right(b"i9223372036854775807e"),
    right(b"i-9223372036854775808e"),
    right(b"i18446744073709551615e"),
    wrong(b"i18446744073709551616e", ErrorKind::IntegerOutOfRange, 0),
    wrong(b"i-9223372036854775809e", ErrorKind::IntegerOutOfRange, 0),
    wrong(b"i99999999999999999999e", ErrorKind::IntegerOutOfRange, 0),
    wrong(b"li99999999999999999999999999999999999999999999ee", ErrorKind::IntegerOutOfRange, 1),
    odd(b"i-0e", (ErrorKind::NegativeZero, 0), &[(WarningKind::NegativeZero, 0)]),
    odd(b"i03e", (ErrorKind::LeadingZero, 0), &[(WarningKind::LeadingZero, 0)]),
    odd(b"i-03e", (ErrorKind::LeadingZero, 0), &[(WarningKind::LeadingZero, 0)]),
    odd(b"i00e", (ErrorKind::LeadingZero, 0), &[(WarningKind::LeadingZero, 0)]),
    odd(b"i000000000000000000000000000007e", (ErrorKind::LeadingZero, 0), &[(WarningKind::LeadingZero, 0)]),
    wrong(b"ie", ErrorKind::InvalidInteger, 0),
    wrong(b"i-e", ErrorKind::InvalidInteger, 0),
    wrong(b"i--1e", ErrorKind::InvalidInteger, 0),
    wrong(b"i+1e", ErrorKind::InvalidInteger, 0),
    wrong(b"i 1e", ErrorKind::InvalidInteger, 0),
    wrong(b"i1.5e", ErrorKind::InvalidInteger, 0),
    wrong(b"i1-e", ErrorKind::InvalidInteger, 0),
    wrong(b"i0x1e", ErrorKind::InvalidInteger, 0),
    wrong(b"i", ErrorKind::UnexpectedEnd, 1),
    wrong(b"i-", ErrorKind::UnexpectedEnd, 2),
    wrong(b"i12", ErrorKind::UnexpectedEnd, 3),
    // Strings.
    right(b"0:"),
    right(b"4:spam"),
    right(b"10:0123456789"),
    right(b"1:\xff"),
    wrong(b"4:abc", ErrorKind::StringTooLong, 0),
    wrong(b"1:", ErrorKind::StringTooLong, 0),
    wrong(b"18446744073709551619:abc", ErrorKind::StringTooLong, 0),
    wrong(b"4294967299:abc", ErrorKind::StringTooLong, 0),
    wrong(b"99999999999999999999999999999999999999:", ErrorKind::StringTooLong, 0),
    wrong(b"5", ErrorKind::UnexpectedEnd, 1),
    wrong(b"0", ErrorKind::UnexpectedEnd, 1),
    wrong(b"1abc:", ErrorKind::InvalidLength, 1),
    wrong(b"-1:a", ErrorKind::UnexpectedByte(b'-'), 0),
    wrong(b"+1:a", ErrorKind::UnexpectedByte(b'+'), 0),
    wrong(b":a", ErrorKind::UnexpectedByte(b':'), 0),
    odd(b"03:abc", (ErrorKind::LeadingZero, 0), &[(WarningKind::LeadingZero, 0)]),
    odd(b"00:", (ErrorKind::LeadingZero, 0), &[(WarningKind::LeadingZero, 0)]),
    wrong(b"000000000000000000000000003:abc", ErrorKind::InvalidLength, 0),
    // Lists.
    right(b"le"),
    right(b"llelee"),
    right(b"l4:spami42ee"),
    wrong(b"l", ErrorKind::UnexpectedEnd, 1),
    wrong(b"li1e", ErrorKind::UnexpectedEnd, 4),
    wrong(b"l-e", ErrorKind::UnexpectedByte(b'-'), 1),
    // Dictionaries.
    right(b"de"),
    right(b"d0:0:e"),
    right(b"d0:0:1:a0:e"),
    right(b"d3:bar4:spam3:fooi42ee"),
    right(b"d1:ade1:bdee"),
    right(b"d1:a0:2:aa0:e"),
    right(b"d1:a0:2:a\x000:e"),
    right(b"d8:aaaaaaaa0:9:aaaaaaaaa0:10:aaaaaaaaab0:e"),
    right(b"d1:\x7f0:1:\x800:e"),
    odd(b"d1:b0:1:a0:e", (ErrorKind::UnsortedKey, 6), &[(WarningKind::UnsortedKey, 6)]),
    odd(b"d1:a0:0:0:e", (ErrorKind::UnsortedKey, 6), &[(WarningKind::UnsortedKey, 6)]),
    odd(b"d2:aa0:1:a0:e", (ErrorKind::UnsortedKey, 7), &[(WarningKind::UnsortedKey, 7)]),
    odd(b"d2:a\x000:1:a0:e", (ErrorKind::UnsortedKey, 7), &[(WarningKind::UnsortedKey, 7)]),
    odd(b"d9:aaaaaaaab0:9:aaaaaaaaa0:e", (ErrorKind::UnsortedKey, 14), &[(WarningKind::UnsortedKey, 14)]),
    odd(b"d1:a0:1:a1:xe", (ErrorKind::DuplicateKey, 6), &[(WarningKind::DuplicateKey, 6)]),
    odd(b"d0:0:0:0:e", (ErrorKind::DuplicateKey, 5), &[(WarningKind::DuplicateKey, 5)]),
    // The order is that of the dictionary one is in, also after another one has ended inside it.
    odd(b"d1:bd1:x0:e1:a0:e", (ErrorKind::UnsortedKey, 11), &[(WarningKind::UnsortedKey, 11)]),
    odd(b"d1:bl1:ze1:a0:e", (ErrorKind::UnsortedKey, 9), &[(WarningKind::UnsortedKey, 9)]),
    right(b"d1:ad1:z0:e1:b0:e"),
    // A key of the largest bytes is a key like any other.
    odd(
        b"ld1:ale8:\xff\xff\xff\xff\xff\xff\xff\xff0:1:b0:ee",
        (ErrorKind::UnsortedKey, 19),
        &[(WarningKind::UnsortedKey, 19)],
    ),
    // Keys that occur twice lie apart.
    odd(
        b"d1:b0:1:a0:1:b0:1:a0:e",
        (ErrorKind::UnsortedKey, 6),
        &[
            (WarningKind::UnsortedKey, 6),
            (WarningKind::DuplicateKey, 11),
            (WarningKind::UnsortedKey, 16),
            (WarningKind::DuplicateKey, 16),
        ],
    ),
    wrong(b"di1e1:ae", ErrorKind::KeyNotString, 1),
    wrong(b"dle1:ae", ErrorKind::KeyNotString, 1),
    wrong(b"d1:ae", ErrorKind::MissingValue, 4),
    wrong(b"d1:a0:1:be", ErrorKind::MissingValue, 9),
    wrong(b"d", ErrorKind::UnexpectedEnd, 1),
    wrong(b"d1:a", ErrorKind::UnexpectedEnd, 4),
    wrong(b"d1:a0:", ErrorKind::UnexpectedEnd, 6),
    // The whole.
    wrong(b"", ErrorKind::UnexpectedEnd, 0),
    wrong(b"e", ErrorKind::UnexpectedByte(b'e'), 0),
    wrong(b"x", ErrorKind::UnexpectedByte(b'x'), 0),
    wrong(b" i1e", ErrorKind::UnexpectedByte(b' '), 0),
    odd(b"i1e\n", (ErrorKind::TrailingBytes, 3), &[(WarningKind::TrailingBytes, 3)]),
    odd(b"i1ei2e", (ErrorKind::TrailingBytes, 3), &[(WarningKind::TrailingBytes, 3)]),
    odd(b"dee", (ErrorKind::TrailingBytes, 2), &[(WarningKind::TrailingBytes, 2)]),
];

#[test]
fn bep3_strict_decoding_follows_the_table() {
    for (input, expected, _) in ROWS {
        let result = Document::decode(input, &Options::strict());
        match &result {
            Ok(document) => assert_eq!(document.warnings(), [], "{}", input.escape_ascii()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let result = result.map(drop).map_err(|error| (error.kind(), error.offset()));
        assert_eq!(result, *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn bep3_lenient_decoding_follows_the_table() {
    for (input, _, expected) in ROWS {
        let document = Document::decode(input, &Options::lenient());
        let result = match &document {
            Ok(document) => {
                Ok(document.warnings().iter().map(|warning| (warning.kind(), warning.offset())).collect::<Vec<_>>())
            }
            Err(error) => Err((error.kind(), error.offset())),
        };
        assert_eq!(result, expected.map(<[_]>::to_vec), "{}", input.escape_ascii());
    }
}

#[test]
fn what_strict_decoding_accepts_encodes_to_the_same_bytes() {
    for (input, ..) in ROWS.iter().filter(|(_, strict, _)| strict.is_ok()) {
        let value = Value::decode(input).unwrap();
        assert_eq!(value.encode(), *input, "{}", input.escape_ascii());
    }
}

#[test]
fn what_lenient_decoding_accepts_encodes_canonically() {
    for (input, ..) in ROWS {
        let Ok(document) = Document::decode(input, &Options::lenient()) else { continue };
        let value = document.root().to_value();
        assert_eq!(Value::decode(&value.encode()), Ok(value), "{}", input.escape_ascii());
    }
}
