//! The ways to open a connection to one address, in the order in which they are tried.
//! The second way to begin is tried only where the transport connected and the first was not understood; another transport only
//! where the first did not connect. What worked is remembered and tried first.

use super::{DialFault, Obfuscation, Transport};

/// One way to open a connection.
pub(super) type Step = (Transport, Obfuscation);

/// The ways that the configuration allows.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    steps: Vec<Step>,
}

/// How far the attempts at one address are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rung {
    /// What worked the last time.
    works: Option<Step>,
    /// The steps of this series that were tried: a bit each.
    tried: u8,
    /// The step that is being tried.
    current: Option<Step>,
}

impl Rung {
    /// The step that was chosen last.
    pub(super) fn pending(&self) -> Option<Step> {
        self.current
    }
}

/// What the source of an address knows about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    pub(super) utp: bool,
    pub(super) encrypted: bool,
    /// A series of attempts has failed before: the transport that was not tried may help.
    pub(super) failed_before: bool,
}

impl Ladder {
    pub(super) fn new(transports: &[Transport], openings: &[Obfuscation]) -> Self {
        let with =
            |transport: &Transport| openings.iter().map(move |opening| (*transport, *opening)).collect::<Vec<_>>();
        let mut steps: Vec<Step> = transports.iter().flat_map(with).collect();
        steps.dedup();
        steps.truncate(8);
        Self { steps }
    }

    /// The first step of a new series. `None`: the configuration dials nobody.
    pub(super) fn begin(&self, rung: &mut Rung, hints: Hints, transport: Option<Transport>) -> Option<Step> {
        rung.tried = 0;
        let allowed = |step: &&Step| transport.is_none_or(|transport| step.0 == transport);
        let works = self.steps.iter().filter(allowed).find(|step| Some(**step) == rung.works);
        let preferred = |step: &&Step| hints.encrypted && step.1 == Obfuscation::Mse;
        let first = works
            .or_else(|| self.steps.iter().filter(allowed).find(preferred))
            .or_else(|| self.steps.iter().find(allowed))?;
        self.take(rung, *first)
    }

    /// The step after one that failed, if another may help.
    pub(super) fn next(&self, rung: &mut Rung, fault: DialFault, hints: Hints) -> Option<Step> {
        let (transport, _) = rung.current?;
        let tried = rung.tried;
        let was_tried =
            |other: Transport| (0..).zip(&self.steps).any(|(place, step)| tried & (1 << place) != 0 && step.0 == other);
        let helps = |step: &Step| match fault {
            DialFault::NotUnderstood => step.0 == transport,
            DialFault::Unreachable => {
                !was_tried(step.0) && (step.0 != Transport::Utp || hints.utp || hints.failed_before)
            }
            DialFault::WrongTorrent | DialFault::Ourselves | DialFault::NotTried => false,
        };
        let next = (0..).zip(&self.steps).find(|(place, step)| rung.tried & (1 << place) == 0 && helps(step));
        let step = *next?.1;
        self.take(rung, step)
    }

    /// The connection came, by this step.
    pub(super) fn worked(rung: &mut Rung) {
        rung.works = rung.current.take();
    }

    /// The series is over without a connection.
    pub(super) fn failed(rung: &mut Rung) {
        rung.current = None;
    }

    fn take(&self, rung: &mut Rung, step: Step) -> Option<Step> {
        let place = self.steps.iter().position(|other| *other == step)?;
        rung.tried |= 1 << place;
        rung.current = Some(step);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP_MSE: Step = (Transport::Tcp, Obfuscation::Mse);
    const TCP_PLAIN: Step = (Transport::Tcp, Obfuscation::Plain);
    const UTP_MSE: Step = (Transport::Utp, Obfuscation::Mse);

    fn ladder() -> Ladder {
        Ladder::new(&[Transport::Tcp, Transport::Utp], &[Obfuscation::Mse, Obfuscation::Plain])
    }

    #[test]
    fn the_second_opening_is_tried_only_where_the_first_was_not_understood_and_what_worked_is_remembered() {
        let (ladder, mut rung, hints) = (ladder(), Rung::default(), Hints::default());
        assert_eq!(ladder.begin(&mut rung, hints, None), Some(TCP_MSE));
        assert_eq!(ladder.next(&mut rung, DialFault::Unreachable, hints), None, "a dead address costs one attempt");
        assert_eq!(ladder.begin(&mut rung, hints, None), Some(TCP_MSE));
        assert_eq!(ladder.next(&mut rung, DialFault::NotUnderstood, hints), Some(TCP_PLAIN));
        Ladder::worked(&mut rung);
        assert_eq!(ladder.begin(&mut rung, hints, None), Some(TCP_PLAIN));
        assert_eq!(ladder.next(&mut rung, DialFault::NotUnderstood, hints), Some(TCP_MSE));
        assert_eq!(ladder.next(&mut rung, DialFault::NotUnderstood, hints), None);
    }

    #[test]
    fn utp_is_tried_where_the_peer_speaks_it_or_where_nothing_else_is_left() {
        let (ladder, mut rung) = (ladder(), Rung::default());
        for hints in [Hints { utp: true, ..Hints::default() }, Hints { failed_before: true, ..Hints::default() }] {
            assert_eq!(ladder.begin(&mut rung, hints, None), Some(TCP_MSE));
            assert_eq!(ladder.next(&mut rung, DialFault::Unreachable, hints), Some(UTP_MSE));
            assert_eq!(ladder.next(&mut rung, DialFault::Unreachable, hints), None);
        }
    }
}
