//! The ways in which clients write their version into a peer id. `None` where the bytes are not such a version, so that
//! nothing unprintable gets out. All positions are from the start of the peer id; Azureus-style versions begin at 3.

/// How one client writes its version.
pub(super) type Version = fn(&[u8; 20]) -> Option<String>;

/// The client says nothing about its version.
pub(super) const fn unknown(_: &[u8; 20]) -> Option<String> {
    None
}

/// `1234` is 1.2.3.4 and `2A00` is 2.10.0.0.
pub(super) fn four(id: &[u8; 20]) -> Option<String> {
    dotted(&id[3..7])
}

/// `123?` is 1.2.3, whatever the fourth.
pub(super) fn three(id: &[u8; 20]) -> Option<String> {
    dotted(&id[3..6])
}

/// `1230` is 1.2.3 and `1234` is 1.2.3.4: libtorrent's `generate_fingerprint`.
pub(super) fn tagged(id: &[u8; 20]) -> Option<String> {
    if id[6] == b'0' { three(id) } else { four(id) }
}

/// `12` is 1.2.
pub(super) fn two(id: &[u8; 20]) -> Option<String> {
    dotted(&id[3..5])
}

/// `0156` is 1.56 and `0205` is 2.05: BitComet, Tixati.
pub(super) fn hundredths(id: &[u8; 20]) -> Option<String> {
    let (major, minor) = (decimal(&id[3..5])?, decimal(&id[5..7])?);
    Some(format!("{major}.{minor:02}"))
}

/// `0156` is 1.56 and `0205` is 2.5: WebTorrent.
pub(super) fn pairs(id: &[u8; 20]) -> Option<String> {
    let (major, minor) = (decimal(&id[3..5])?, decimal(&id[5..7])?);
    Some(format!("{major}.{minor}"))
}

/// `111Z` is 1.11 of the developers, `2940` is 2.94, `3000` is 3.00; from 4 on `400B` is a beta of 4.0.0.
/// Before 0.80 `0072` was 0.72 and before 0.7 `0006` was 0.6.
pub(super) fn transmission(id: &[u8; 20]) -> Option<String> {
    let (major, last) = (digit(id[3])?, id[6]);
    match &id[3..7] {
        [b'0', b'0', b'0', minor] => dotted(&[b'0', *minor]),
        [b'0', b'0', ..] => hundredths(id),
        _ if major < 4 => {
            let minor = decimal(&id[4..6])?;
            Some(format!("{major}.{minor:02}{}", stage(last)))
        }
        _ => Some(format!("{}{}", three(id)?, stage(last))),
    }
}

/// `355B` is a beta of 3.5.5, and where no dash follows `1110` is 1.1.10. The last digit may be anything.
pub(super) fn utorrent(id: &[u8; 20]) -> Option<String> {
    if id[7] == b'-' {
        Some(format!("{}{}", three(id)?, stage(id[6])))
    } else if let Some(patch) = decimal(&id[5..7]) {
        Some(format!("{}.{patch}{}", two(id)?, stage(id[7])))
    } else {
        three(id)
    }
}

/// `33D1` is the first developers' version of 3.3, `33R1` a release candidate.
pub(super) fn ktorrent(id: &[u8; 20]) -> Option<String> {
    let stage = match id[5] {
        b'D' => "dev",
        b'R' => "rc",
        _ => return three(id),
    };
    Some(format!("{} ({stage} {})", two(id)?, digit(id[6])?))
}

/// `246326` is 2.4.6, build 326.
pub(super) fn bitlord(id: &[u8; 20]) -> Option<String> {
    let build = decimal(&id[6..8])?;
    match digit(id[8]) {
        Some(last) if id[8].is_ascii_digit() => Some(format!("{}-{build:02}{last}", three(id)?)),
        _ => three(id),
    }
}

/// `0091` is 0.09.1.
pub(super) fn picotorrent(id: &[u8; 20]) -> Option<String> {
    let (major, minor, patch) = (digit(id[3])?, decimal(&id[4..6])?, digit(id[6])?);
    Some(format!("{major}.{minor:02}.{patch}"))
}

/// `9990` is 9.9.9 and `9992` is 9.9.92.
pub(super) fn xfplay(id: &[u8; 20]) -> Option<String> {
    if id[6] == b'0' {
        return three(id);
    }
    let patch = decimal(&id[5..7])?;
    Some(format!("{}.{patch}", two(id)?))
}

/// `A0C` is 1.0.6, and so are its neighbours: Bits on Wheels counts on in letters.
pub(super) fn bits_on_wheels(id: &[u8; 20]) -> Option<String> {
    match &id[4..7] {
        b"A0B" => Some("1.0.5".into()),
        b"A0C" => Some("1.0.6".into()),
        _ => None,
    }
}

/// `-ML2.7.2-`: MLDonkey writes the dots itself.
pub(super) fn mldonkey(id: &[u8; 20]) -> Option<String> {
    let version = id[3..].split(|&byte| byte == b'-').next()?;
    let plain = version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    (plain && !version.is_empty()).then(|| version.iter().copied().map(char::from).collect())
}

/// `MG-3.01.4276` is 3.01; random characters follow the third number without a mark.
pub(super) fn mediaget(id: &[u8; 20]) -> Option<String> {
    let [major, b'.', minor @ ..] = &id[3..7] else { return None };
    Some(format!("{}.{:02}", decimal(&[*major])?, decimal(minor)?))
}

/// `A2-1-36-0-` is 1.36.0: aria2, and S3 in the same way.
pub(super) fn dashed_from_3(id: &[u8; 20]) -> Option<String> {
    dashed(&id[3..])
}

/// `M7-10-3--` is 7.10.3. Mainline and its followers; BEP 20.
pub(super) fn dashed_from_1(id: &[u8; 20]) -> Option<String> {
    dashed(&id[1..9])
}

/// Two bytes as numbers: `exbc`, then 0 and 56, is BitComet 0.56.
pub(super) fn two_bytes_from_4(id: &[u8; 20]) -> Option<String> {
    Some(format!("{}.{:02}", id[4], id[5]))
}

/// One byte as a number: `\0\3BS` is BitSpirit 3.
pub(super) fn byte_from_1(id: &[u8; 20]) -> Option<String> {
    (id[0] == 0 && (1..=9).contains(&id[1])).then(|| id[1].to_string())
}

/// `XBT054d-` is 0.5.4, a debug build.
pub(super) fn xbt(id: &[u8; 20]) -> Option<String> {
    Some(format!("{}{}", three(id)?, stage(id[6])))
}

/// Up to five characters from 1 on, padded with dashes, then three dashes: `S58B-----` is 5.8.11. BEP 20.
pub(super) fn shadow(id: &[u8; 20]) -> Option<String> {
    let (version, dashes) = id[1..9].split_at(5);
    let length = version.iter().rposition(|&byte| byte != b'-')?.checked_add(1)?;
    if dashes != b"---" { None } else { dotted(version.get(..length)?) }
}

/// Numbers between single dashes, at most four of them of at most three digits.
fn dashed(bytes: &[u8]) -> Option<String> {
    let mut out = String::new();
    for part in bytes.split(|&byte| byte == b'-').take(4) {
        if part.is_empty() || part.len() > 3 || !part.iter().all(u8::is_ascii_digit) {
            break;
        }
        if !out.is_empty() {
            out.push('.');
        }
        out.extend(part.iter().copied().map(char::from));
    }
    // One number alone is as likely chance.
    out.contains('.').then_some(out)
}

fn dotted(digits: &[u8]) -> Option<String> {
    let numbers: Option<Vec<_>> = digits.iter().map(|&byte| Some(digit(byte)?.to_string())).collect();
    Some(numbers?.join("."))
}

/// What is not a release.
const fn stage(letter: u8) -> &'static str {
    match letter {
        b'b' | b'B' => " (beta)",
        b'd' => " (debug)",
        b'x' | b'X' | b'Z' => " (dev)",
        _ => "",
    }
}

/// 0 to 9, then A to Z for 10 to 35, then a to z for 36 to 61.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.saturating_sub(b'0')),
        b'A'..=b'Z' => Some(byte.saturating_sub(b'A').saturating_add(10)),
        b'a'..=b'z' => Some(byte.saturating_sub(b'a').saturating_add(36)),
        _ => None,
    }
}

/// Decimal digits only.
fn decimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}
