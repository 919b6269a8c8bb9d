//! How much is answered, to each address and in all.
//! In: a query's source, an answer's size. Out: answer it or not. Bounded by [`MAX_SOURCES`].

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use torrent_types::Scope;

use super::{bucket::TokenBucket, config::Limits};

/// Sources whose rates are kept. When there are more, all that are new share one.
const MAX_SOURCES: usize = 4096;

/// What counts as one source: an IPv4 address, an IPv6 network of 64 bits; on local networks each address with its port, as a
/// whole test network may live there and nobody can claim to be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(u64, u64);

impl Source {
    pub(crate) fn of(address: SocketAddr) -> Self {
        let ip = address.ip();
        if Scope::of(ip).is_local() {
            return match ip {
                IpAddr::V4(ip) => Self(u64::from(u32::from(ip)), 1 << 32 | u64::from(address.port())),
                IpAddr::V6(ip) => {
                    let bits = u128::from(ip);
                    let (high, low) = ((bits >> 64) as u64, bits as u64);
                    Self(high, low.rotate_left(16) ^ u64::from(address.port()))
                }
            };
        }
        match ip {
            IpAddr::V4(ip) => Self(u64::from(u32::from(ip)), 0),
            IpAddr::V6(ip) => Self((u128::from(ip) >> 64) as u64, 2 << 32),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Rates {
    queries: TokenBucket,
    bytes: TokenBucket,
}

#[derive(Debug)]
pub(crate) struct AnswerLimits {
    sources: BTreeMap<Source, Rates>,
    others: Rates,
    total: TokenBucket,
    swept: Instant,
}

impl AnswerLimits {
    pub(crate) fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            sources: BTreeMap::new(),
            others: Rates::full(now, limits),
            total: TokenBucket::full(now, limits.answers_per_second),
            swept: now,
        }
    }

    /// May a query be answered?
    pub(crate) fn admit(&mut self, now: Instant, from: SocketAddr, limits: &Limits) -> bool {
        let source = Source::of(from);
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            self.sweep(now, limits);
        }
        let room = self.sources.len() < MAX_SOURCES;
        let rates = match self.sources.get_mut(&source) {
            Some(rates) => rates,
            None if room => self.sources.entry(source).or_insert_with(|| Rates::full(now, limits)),
            None => &mut self.others,
        };
        rates.bytes.owe(now, 0.0, limits.answer_bytes_per_second_per_source, Rates::byte_burst(limits))
            && rates.queries.take(now, 1.0, limits.answers_per_second_per_source, limits.answer_burst_per_source)
            && self.total.take(now, 1.0, limits.answers_per_second, limits.answers_per_second)
    }

    /// An answer of this size was sent.
    pub(crate) fn spent(&mut self, now: Instant, to: SocketAddr, bytes: usize, limits: &Limits) {
        let rates = self.sources.get_mut(&Source::of(to)).unwrap_or(&mut self.others);
        rates.bytes.owe(now, bytes as f64, limits.answer_bytes_per_second_per_source, Rates::byte_burst(limits));
    }

    /// Forgets sources that have been quiet long enough to have everything open to them again. At most once a second, as it
    /// looks at all.
    fn sweep(&mut self, now: Instant, limits: &Limits) {
        if now.saturating_duration_since(self.swept).as_secs() < 1 {
            return;
        }
        self.swept = now;
        self.sources.retain(|_, rates| {
            let queries =
                rates.queries.is_full(now, limits.answers_per_second_per_source, limits.answer_burst_per_source);
            let byte_rate = limits.answer_bytes_per_second_per_source;
            !(queries && rates.bytes.is_full(now, byte_rate, Rates::byte_burst(limits)))
        });
    }
}

impl Rates {
    const fn full(now: Instant, limits: &Limits) -> Self {
        Self {
            queries: TokenBucket::full(now, limits.answer_burst_per_source),
            bytes: TokenBucket::full(now, Self::byte_burst(limits)),
        }
    }

    /// Ten seconds of bytes at once.
    const fn byte_burst(limits: &Limits) -> f64 {
        limits.answer_bytes_per_second_per_source * 10.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_source_gets_its_burst_and_then_its_rate() {
        let (now, limits) = (now(), Limits::default());
        let mut answers = AnswerLimits::new(now, &limits);
        let mut from: SocketAddr = "1.2.3.4:5000".parse().unwrap();
        let burst = (0..1000).filter(|_| answers.admit(now, from, &limits)).count();
        assert_eq!(burst, 60);
        // Another port is the same source.
        from.set_port(6000);
        assert!(!answers.admit(now, from, &limits));
        assert!(answers.admit(now, "1.2.3.5:1".parse().unwrap(), &limits));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| answers.admit(later, from, &limits)).count(), 10);
    }

    #[test]
    fn bytes_to_one_address_are_bounded() {
        let (mut time, limits) = (now(), Limits::default());
        let mut answers = AnswerLimits::new(time, &limits);
        let from: SocketAddr = "1.2.3.4:5000".parse().unwrap();
        let mut bytes = 0;
        for _ in 0..60_000 {
            time += Duration::from_millis(1);
            if answers.admit(time, from, &limits) {
                answers.spent(time, from, 1000, &limits);
                bytes += 1000;
            }
        }
        let bound = 2048 * 70 + 1000;
        assert!(bytes <= bound, "{bytes} bytes in a minute");
    }

    #[test]
    fn a_million_sources_cost_bounded_memory() {
        let (now, limits) = (now(), Limits { answers_per_second: 1e9, ..Limits::default() });
        let mut answers = AnswerLimits::new(now, &limits);
        let admitted = (0..100_000u32)
            .filter(|n| {
                answers.admit(now, SocketAddr::new(std::net::Ipv4Addr::from(0x0800_0000 + n).into(), 1), &limits)
            })
            .count();
        assert!(answers.sources.len() <= MAX_SOURCES);
        assert_eq!(admitted, MAX_SOURCES + 60);
    }
}
