//! The streams that are measured.

use torrent_wire::{Message, RawBlock};

/// What a downloader receives: blocks of 16 KiB, a `have` for every fourth, now and then something else.
pub(crate) fn download() -> Vec<Message<'static>> {
    static DATA: [u8; 16384] = [7; 16384];
    let mut messages = vec![Message::Unchoke];
    for n in 0..64 {
        messages.push(Message::Piece { piece: n / 16, begin: n % 16 * 16384, data: &DATA });
        if n % 4 == 0 {
            messages.push(Message::Have(n));
        }
    }
    messages
}

/// What an uploader receives: requests, a `cancel` for every eighth, a `have` for every fourth.
pub(crate) fn requests() -> Vec<Message<'static>> {
    let mut messages = vec![Message::Interested];
    for n in 0..1024 {
        let block = RawBlock { piece: n / 16 % 64, begin: n % 16 * 16384, length: 16384 };
        messages.push(Message::Request(block));
        if n % 8 == 0 {
            messages.push(Message::Cancel(block));
        }
        if n % 4 == 0 {
            messages.push(Message::Have(n % 64));
        }
    }
    messages
}

pub(crate) fn encode(messages: &[Message<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut bytes));
    bytes
}
