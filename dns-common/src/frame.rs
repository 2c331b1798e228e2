//! One bounds-checked view of a packet: the only place where packets are touched.
#![expect(
    unsafe_code,
    reason = "the kernel hands packets over as two addresses; every access is checked here"
)]

use core::marker::PhantomData;

use bytemuck::Pod;

/// The octets of one packet.
///
/// Offsets count from the packet's first octet. In the kernel an offset that is not a constant must
/// be bounded by the caller, or the verifier refuses the access.
#[derive(Debug)]
pub struct Frame<'p> {
    start: *mut u8,
    end: *mut u8,
    packet: PhantomData<&'p mut [u8]>,
}

/// Largest offset, and mask of offsets: what is read lies far below.
///
/// The verifier takes no access that could end past 65,535 octets (`find_good_pkt_pointers`).
const MAX_AT: usize = 0x7fff;

impl<'p> Frame<'p> {
    /// The view of a packet in a buffer.
    #[must_use]
    pub fn from_slice(packet: &'p mut [u8]) -> Self {
        let range = packet.as_mut_ptr_range();
        Self {
            start: range.start,
            end: range.end,
            packet: PhantomData,
        }
    }

    /// The view of the packet that begins at `start` and ends before `end`.
    ///
    /// # Safety
    /// The octets between the two must be readable and writable, and belong to this view alone, for `'p`.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn from_raw(start: *mut u8, end: *mut u8) -> Self {
        Self {
            start,
            end,
            packet: PhantomData,
        }
    }

    /// Octets of the packet.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.addr() - self.start.addr()
    }

    /// Whether the packet has no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a `T` at offset `at` begins, if the whole of it is inside the packet.
    #[inline(always)]
    fn locate<T: Pod>(&self, at: usize) -> Option<*mut T> {
        const { assert!(align_of::<T>() == 1, "packets have no alignment") };
        // No sum with a masked offset wraps around the address space. A branch would do too, but the
        // compiler joins it with the one below, and the verifier loses sight of the check.
        let at = at & MAX_AT;
        // The sums wrap rather than being `ptr::add`: a place past the packet's end is only compared.
        let first = self.start.wrapping_add(at);
        let past = first.wrapping_add(size_of::<T>());
        if past > self.end {
            return None;
        }
        Some(first.cast())
    }

    /// The `T` at offset `at`; `None` if it does not lie wholly inside the packet.
    #[inline(always)]
    #[must_use]
    pub fn get<T: Pod>(&self, at: usize) -> Option<&T> {
        // SAFETY: `locate` has found all octets of the `T` inside the view, any octets make a `Pod`,
        // its alignment is 1, and the reference borrows the view.
        self.locate::<T>(at).map(|place| unsafe { &*place })
    }

    /// The `T` at offset `at`, to be changed; `None` if it does not lie wholly inside the packet.
    #[inline(always)]
    #[must_use]
    pub fn get_mut<T: Pod>(&mut self, at: usize) -> Option<&mut T> {
        // SAFETY: as in `get`, and the view is borrowed mutably.
        self.locate::<T>(at).map(|place| unsafe { &mut *place })
    }

    /// The eight octets at `at` as a word whose lowest octet is the first.
    #[inline(always)]
    #[must_use]
    pub fn word(&self, at: usize) -> Option<u64> {
        self.get::<[u8; 8]>(at)
            .map(|octets| u64::from_le_bytes(*octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_ends_with_the_packet() {
        let mut octets = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let mut frame = Frame::from_slice(&mut octets);
        assert_eq!(frame.word(0), Some(0x0807_0605_0403_0201));
        assert_eq!(frame.word(1), Some(0x0908_0706_0504_0302));
        assert_eq!(frame.word(2), None);
        assert_eq!(frame.get::<u8>(8), Some(&9));
        assert_eq!(frame.get::<u8>(9), None);
        assert_eq!(frame.get::<u8>(usize::MAX), None);
        assert_eq!(frame.get::<[u8; 10]>(0), None);
        if let Some(last) = frame.get_mut::<u8>(8) {
            *last = 0;
        }
        assert_eq!(octets[8], 0);
    }
}
