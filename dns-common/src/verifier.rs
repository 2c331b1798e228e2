//! What the kernel's verifier is made to forget, so that it can afford the loops over names.

use crate::cell::Cell;

/// Every number at its own index.
///
/// It can be written to, as far as the compiler and the kernel know: the verifier reads constant places of
/// memory that can't (`bpf_map_direct_read`), and would forget nothing.
static NUMBERS: [Cell; 256] = {
    let mut numbers = [const { Cell::new(0) }; 256];
    let mut at = 0;
    while at < numbers.len() {
        numbers[at] = Cell::new(at as u64);
        at += 1;
    }
    numbers
};

/// The same number, of which the verifier then knows no more than that it is at most 255.
///
/// The verifier follows what it knows of values and of the packet's extent along every path: a loop that
/// can end after any of its rounds would have all that follows it checked once for each. A number out of
/// a map may be any number, and what was proved of an offset ends where the offset is made anew.
/// A number above 255 becomes 0.
#[inline(always)]
pub(crate) fn forget_range(number: usize) -> usize {
    NUMBERS
        .get(number)
        .map_or(0, |number| number.get() as usize & 0xff)
}
