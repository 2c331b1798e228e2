//! What the kernel may answer and deny at the moment.

use bytemuck::{Pod, Zeroable};

use crate::{Miss, cell::Cell};

/// The state of the map of names; all zero until userspace knows better.
///
/// Its words say nothing about each other, so they need not be read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct State {
    /// Not zero while the map holds every name of the served zones: what it does not hold does not exist.
    ///
    /// It is zero while elements are removed or replaced, and another number each time after. A look-up that
    /// runs beside a replacement can miss both the new element, put in before it, and the old one, taken
    /// out before it comes there (`htab_map_update_elem`). A reader that finds the same number before and
    /// after its look-up has met no such change: then an element that it did not find was not there.
    pub epoch: u64,
    /// Not zero while the cluster is listed: a name that is held has no other types than the entry says.
    pub listed: u64,
    /// Serial number of the zones (RFC 1035, section 3.3.13).
    pub serial: u64,
    /// Until when answers are given, in ticks of the kernel's clock (`jiffies64`); renewed by the controller; past it
    /// every query passes on. Zero, as it is until userspace has written it, is past already.
    pub lease: u64,
    /// The same moment in nanoseconds of `CLOCK_MONOTONIC`, for userspace, which has no other way to the ticks than
    /// through a program.
    pub until: u64,
    /// Until when names and types are denied, in ticks as `lease`; it is shorter, because what is made after the
    /// last renewal must not be denied for long.
    pub denials: u64,
}

/// A [`State`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct StateCells([Cell; 6]);

const EPOCH: usize = 0;
const LISTED: usize = 1;
const SERIAL: usize = 2;
const LEASE: usize = 3;
const UNTIL: usize = 4;
const DENIALS: usize = 5;

const _: () = {
    assert!(size_of::<State>() == size_of::<StateCells>());
    assert!(core::mem::offset_of!(State, epoch) == EPOCH * 8);
    assert!(core::mem::offset_of!(State, listed) == LISTED * 8);
    assert!(core::mem::offset_of!(State, serial) == SERIAL * 8);
    assert!(core::mem::offset_of!(State, lease) == LEASE * 8);
    assert!(core::mem::offset_of!(State, until) == UNTIL * 8);
    assert!(core::mem::offset_of!(State, denials) == DENIALS * 8);
};

impl From<State> for StateCells {
    fn from(state: State) -> Self {
        let State {
            epoch,
            listed,
            serial,
            lease,
            until,
            denials,
        } = state;
        Self([epoch, listed, serial, lease, until, denials].map(Cell::new))
    }
}

impl StateCells {
    /// Checks that answers may still be given at `now`, in ticks of the kernel's clock. They do not wrap.
    ///
    /// # Errors
    /// [`Miss::LeaseExpired`] if nobody has renewed the lease in time.
    #[inline(always)]
    pub fn check_lease(&self, now: u64) -> Result<(), Miss> {
        if now < self.0[LEASE].get() {
            Ok(())
        } else {
            Err(Miss::LeaseExpired)
        }
    }

    /// Checks that names and types may still be denied at `now`, in ticks of the kernel's clock.
    ///
    /// # Errors
    /// [`Miss::Incomplete`] if nobody has kept the map up to date of late: there may be such a name by now.
    #[inline(always)]
    pub fn check_denials(&self, now: u64) -> Result<(), Miss> {
        if now < self.0[DENIALS].get() {
            Ok(())
        } else {
            Err(Miss::Incomplete)
        }
    }

    /// The number to be compared after a look-up.
    #[inline(always)]
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0[EPOCH].get()
    }

    /// Checks that a name not found since `epoch` was read does not exist.
    ///
    /// # Errors
    /// [`Miss::Incomplete`] if that can't be said.
    #[inline(always)]
    pub fn check_epoch(&self, epoch: u64) -> Result<(), Miss> {
        if epoch != 0 && self.epoch() == epoch {
            Ok(())
        } else {
            Err(Miss::Incomplete)
        }
    }

    /// Checks that entries tell of all types.
    ///
    /// # Errors
    /// [`Miss::Incomplete`] if that can't be said.
    #[inline(always)]
    pub fn check_listed(&self) -> Result<(), Miss> {
        if self.0[LISTED].get() != 0 {
            Ok(())
        } else {
            Err(Miss::Incomplete)
        }
    }

    /// Serial number of the zones.
    #[inline(always)]
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.0[SERIAL].get() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An end, a time, and whether that time comes before the end.
    const EDGES: [(u64, u64, bool); 10] = [
        (1000, 0, true),
        (1000, 999, true),
        (1000, 1000, false),
        (1000, 1001, false),
        (1000, u64::MAX, false),
        (0, 0, false),
        (0, 1, false),
        (u64::MAX, 0, true),
        (u64::MAX, u64::MAX - 1, true),
        (u64::MAX, u64::MAX, false),
    ];

    #[test]
    fn a_lease_ends_at_its_last_tick() {
        for (lease, now, holds) in EDGES {
            let state = StateCells::from(State {
                lease,
                ..State::default()
            });
            let outcome = holds.then_some(()).ok_or(Miss::LeaseExpired);
            assert_eq!(state.check_lease(now), outcome, "{now} of {lease}");
        }
    }

    #[test]
    fn denials_end_at_their_last_tick_whatever_the_lease_says() {
        for (denials, now, hold) in EDGES {
            for lease in [0, u64::MAX] {
                let state = StateCells::from(State {
                    lease,
                    denials,
                    ..State::default()
                });
                let outcome = hold.then_some(()).ok_or(Miss::Incomplete);
                assert_eq!(state.check_denials(now), outcome, "{now} of {denials}");
            }
        }
    }

    #[test]
    fn a_renewed_lease_holds_at_once() {
        let state = StateCells::from(State::default());
        assert_eq!(state.check_lease(5), Err(Miss::LeaseExpired));
        state.0[LEASE].set(6);
        assert_eq!(state.check_lease(5), Ok(()));
        assert_eq!(state.check_denials(5), Err(Miss::Incomplete));
        state.0[DENIALS].set(6);
        assert_eq!(state.check_denials(5), Ok(()));
    }

    #[test]
    fn a_change_meanwhile_lets_nothing_be_denied() {
        let state = StateCells::from(State {
            epoch: 7,
            ..State::default()
        });
        let before = state.epoch();
        assert_eq!(state.check_epoch(before), Ok(()));
        state.0[EPOCH].set(0);
        assert_eq!(
            state.check_epoch(before),
            Err(Miss::Incomplete),
            "under way"
        );
        assert_eq!(state.check_epoch(state.epoch()), Err(Miss::Incomplete));
        state.0[EPOCH].set(8);
        assert_eq!(state.check_epoch(before), Err(Miss::Incomplete), "done");
        assert_eq!(state.check_epoch(state.epoch()), Ok(()));
    }
}
