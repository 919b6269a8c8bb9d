//! Bodies of the fuzz targets `wire_mse_initiator` and `wire_mse_responder`.
//!
//! The first three bytes choose our methods, how far the peer stays honest, the size of the chunks and the length of its
//! first padding; the others are what it says from there on, encrypted for it where the protocol encrypts. Each input runs
//! twice, in chunks and byte by byte, with the same result.

use std::time::Instant;

use super::{
    Error, Established, Initiator, MAX_PAD, Method, Methods, Responder,
    forger::{self, Forger, TORRENT},
};

/// A hostile responder.
pub fn initiator(data: &[u8]) {
    let Some((plan, said)) = Plan::read(data) else { return };
    let now = start();
    let new = || Initiator::new(now, TORRENT, plan.methods, &[1; 32], b"payload").expect("a short payload");
    let mut sent = Vec::new();
    new().poll_transmit(&mut sent);

    let forger = Forger::new();
    let stream = match plan.honest_steps {
        0 => said.to_vec(),
        1 => [forger.public(), said].concat(),
        _ => {
            let header = [&[0; 8], said].concat();
            [forger.public(), &plan.pad[..], &forger::answer(&forger.secret(&sent), &header)].concat()
        }
    };
    let run = |chunk| {
        let mut initiator = new();
        let mut sent = Vec::new();
        initiator.poll_transmit(&mut sent);
        drive(&stream, chunk, &mut sent, |part, out| {
            let used = initiator.handle_bytes(now, part);
            initiator.poll_transmit(out);
            Ok((used?, initiator.poll_event()))
        })
    };
    check(&plan, &run(plan.chunk), &run(1));
}

/// A hostile initiator.
pub fn responder(data: &[u8]) {
    let Some((plan, said)) = Plan::read(data) else { return };
    let now = start();
    let new = || Responder::new(now, plan.methods, &[2; 32]);
    let forger = Forger::new();
    let stream = match plan.honest_steps {
        0 => said.to_vec(),
        1 => [forger.public(), said].concat(),
        steps => {
            let (mut responder, mut sent) = (new(), Vec::new());
            let _: Result<_, _> = responder.handle_bytes(now, forger.public(), forger::known);
            responder.poll_transmit(&mut sent);
            let secret = forger.secret(&sent);
            let rest = if steps == 2 { said.to_vec() } else { forger::request(&secret, &TORRENT, said) };
            [forger.public(), &plan.pad[..], &forger::sync_of_initiator(&secret), &rest].concat()
        }
    };
    let run = |chunk| {
        let mut responder = new();
        drive(&stream, chunk, &mut Vec::new(), |part, out| {
            let used = responder.handle_bytes(now, part, forger::known);
            responder.poll_transmit(out);
            Ok((used?, responder.poll_event()))
        })
    };
    check(&plan, &run(plan.chunk), &run(1));
}

#[expect(clippy::disallowed_methods, reason = "a run has to begin somewhen")]
fn start() -> Instant {
    Instant::now()
}

struct Plan {
    methods: Methods,
    honest_steps: u8,
    chunk: usize,
    pad: Vec<u8>,
}

impl Plan {
    fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[choice, chunk, pad], said) = data.split_first_chunk()?;
        let methods = [Methods::Plaintext, Methods::Rc4, Methods::PreferPlaintext, Methods::PreferRc4];
        let plan = Self {
            methods: *methods.get(usize::from(choice % 4))?,
            honest_steps: (choice / 4) % 4,
            chunk: usize::from(chunk).max(1),
            pad: vec![0x55; usize::from(pad).saturating_mul(3)],
        };
        Some((plan, said))
    }
}

/// All that can be seen from outside.
#[derive(Debug, PartialEq)]
struct Outcome {
    end: Result<Option<Method>, Error>,
    sent: Vec<u8>,
    consumed: usize,
    payload: Vec<u8>,
}

fn drive(
    stream: &[u8],
    chunk: usize,
    sent: &mut Vec<u8>,
    mut handle: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(usize, Option<Established>), Error>,
) -> Outcome {
    let mut consumed = 0_usize;
    let mut end = Ok(None);
    let mut payload = Vec::new();
    for part in stream.chunks(chunk) {
        match handle(part, sent) {
            Ok((used, None)) => {
                assert_eq!(used, part.len());
                consumed = consumed.saturating_add(used);
            }
            Ok((used, Some(Established { mut ciphers, info_hash }))) => {
                assert_eq!(info_hash, TORRENT);
                consumed = consumed.saturating_add(used);
                end = Ok(Some(ciphers.method()));
                payload = stream.get(consumed..).expect("no more was consumed than given").to_vec();
                payload.chunks_mut(chunk).for_each(|part| ciphers.decrypt(part));
                assert!(matches!(handle(&[], sent), Err(Error::Finished)));
                break;
            }
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    // Where an error is found depends on the chunks; what it is does not.
    if end.is_err() {
        consumed = 0;
    }
    Outcome { end, sent: std::mem::take(sent), consumed, payload }
}

fn check(plan: &Plan, outcome: &Outcome, byte_by_byte: &Outcome) {
    assert_eq!(outcome, byte_by_byte, "chunking is visible");
    // Public key and padding; hashes, header, padding and our seven bytes of initial payload.
    let most = 96 + MAX_PAD + 40 + 14 + MAX_PAD + 2 + 7;
    assert!(outcome.sent.len() <= most, "{} bytes sent", outcome.sent.len());
    let refused = match plan.methods {
        Methods::Plaintext => Some(Method::Rc4),
        Methods::Rc4 => Some(Method::Plaintext),
        _ => None,
    };
    assert!(outcome.end.is_err() || refused.is_none() || outcome.end != Ok(refused), "{outcome:?}");
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    fn replay(corpus: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(corpus);
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty());
        for file in files {
            target(&fs::read(file).unwrap());
        }
    }

    #[test]
    fn initiator_corpus() {
        replay("wire_mse_initiator", super::initiator);
    }

    #[test]
    fn responder_corpus() {
        replay("wire_mse_responder", super::responder);
    }
}
