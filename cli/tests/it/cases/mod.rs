//! What users of other programs stumbled over, made anew: each case with its right value.

mod create;
mod edit;
mod links;
mod messages;
#[cfg(unix)]
mod names;
mod shell;
mod verify;

use super::*;

const HASH: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";
const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

/// A v1 torrent of one file `f` of 3 bytes, `abc`, with these entries around `info`, in order of their keys.
fn small(before: &str, after: &str) -> Vec<u8> {
    let sha1 = b"\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d";
    let head = format!("d{before}4:infod6:lengthi3e4:name1:f12:piece lengthi16384e6:pieces20:");
    [head.as_bytes(), sha1, b"e", after.as_bytes(), b"e"].concat()
}

#[track_caller]
fn show(folder: &Folder, file: &str) -> Json {
    folder.run(&["show", "--json", file]).json()
}
