//! UDP trackers. BEP 15, BEP 41.
//! `packet` is bytes ↔ messages for both sides; `client` is the machine that keeps connection ids and
//! repeats what was lost; `event` is what comes out of it.

mod client;
mod event;
mod packet;

pub use client::{MAX_QUESTIONS, UdpClient};
pub use event::{Answer, RequestId, UdpError, UdpEvent};
#[cfg(all(any(fuzzing, test), feature = "server"))]
pub(crate) use packet::encode_connect as connect_packet;
pub use packet::{Announce, MAX_SCRAPE, Request, Response, decode_request, decode_response, url_data};
