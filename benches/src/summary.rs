//! Median and spread of measurements.

use serde::Serialize;

/// A distribution in three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// A tenth of the values is smaller.
    pub(crate) p10: f64,
    /// Half of the values are smaller.
    pub(crate) median: f64,
    /// Nine tenths of the values are smaller.
    pub(crate) p90: f64,
}

impl Summary {
    /// The summary of some values, of which there is at least one.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            p10: quantile(&sorted, 1),
            median: quantile(&sorted, 5),
            p90: quantile(&sorted, 9),
        }
    }
}

/// The mean of the middle four fifths of some values, of which there is at least one.
///
/// For durations shorter than a hundred steps of the clock, of which a median would be a whole number; what
/// interrupts have made longer is left out.
pub(crate) fn middle_mean(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let tenth = sorted.len() / 10;
    let middle = &sorted[tenth..sorted.len() - tenth];
    let count: f64 = middle.iter().map(|_| 1.0).sum();
    middle.iter().sum::<f64>() / count
}

/// The value below which `tenths` of the sorted values are, between two neighbours in proportion.
fn quantile(sorted: &[f64], tenths: u8) -> f64 {
    let place = (sorted.len() - 1) * usize::from(tenths);
    let (below, above) = (sorted[place / 10], sorted[place.div_ceil(10)]);
    let beyond = u8::try_from(place % 10).map_or(0.0, f64::from);
    below + (above - below) * beyond / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_count() {
        let mut values = [10.0, 20.0].repeat(10);
        values[0] = 1e9;
        assert!((middle_mean(&values) - 15.0).abs() < 1.0);
        assert!((middle_mean(&[7.0]) - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn quantiles_of_few_and_many() {
        let three = |p10, median, p90| Summary { p10, median, p90 };
        assert_eq!(Summary::of(&[3.0]), three(3.0, 3.0, 3.0));
        assert_eq!(Summary::of(&[1.0, 2.0]), three(1.1, 1.5, 1.9));
        let eleven: Vec<f64> = (0..=10).rev().map(f64::from).collect();
        assert_eq!(Summary::of(&eleven), three(1.0, 5.0, 9.0));
    }
}
