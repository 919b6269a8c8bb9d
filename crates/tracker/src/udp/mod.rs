//! UDP trackers. BEP 15, BEP 41.
//! `packet` is bytes ↔ messages for both sides; `client` is the machine that keeps connection ids and repeats what was lost.

mod client;
mod packet;

pub use client::{Answer, MAX_QUESTIONS, RequestId, Transmit, UdpClient, UdpError, UdpEvent};
pub use packet::{Announce, MAX_SCRAPE, Request, Response, decode_request, decode_response, url_data};
