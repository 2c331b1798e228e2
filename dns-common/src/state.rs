//! What the kernel may deny at the moment.

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
}

/// A [`State`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct StateCells([Cell; 3]);

const EPOCH: usize = 0;
const LISTED: usize = 1;
const SERIAL: usize = 2;

const _: () = {
    assert!(size_of::<State>() == size_of::<StateCells>());
    assert!(core::mem::offset_of!(State, epoch) == EPOCH * 8);
    assert!(core::mem::offset_of!(State, listed) == LISTED * 8);
    assert!(core::mem::offset_of!(State, serial) == SERIAL * 8);
};

impl From<State> for StateCells {
    fn from(state: State) -> Self {
        Self([state.epoch, state.listed, state.serial].map(Cell::new))
    }
}

impl StateCells {
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
