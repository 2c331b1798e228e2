//! How rare samples are to be, so that reading them stays cheap.

use dns_common::sample::MAX_SHIFT;

/// Most samples to be taken in a second, on average: the ring buffer holds what comes in a fifth of a second then,
/// and a share of half is told to 1.6 % after a second.
const MAX_PER_SECOND: f64 = 4000.0;

/// The least `shift` with which one in 2^`shift` of so many queries a second are few enough.
pub(super) fn shift_for(queries_per_second: f64) -> u32 {
    let is_enough = |shift: &u32| queries_per_second / f64::from(1_u32 << shift) <= MAX_PER_SECOND;
    (0..=MAX_SHIFT).find(is_enough).unwrap_or(MAX_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_as_many_as_can_be_read() {
        for (rate, shift) in [
            (0.0, 0),
            (4000.0, 0),
            (4001.0, 1),
            (8000.0, 1),
            (1e6, 8),
            (1e9, 18),
            (1e12, MAX_SHIFT),
            (f64::NAN, MAX_SHIFT),
        ] {
            assert_eq!(shift_for(rate), shift, "{rate}");
        }
    }
}
