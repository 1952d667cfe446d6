//! Many measurements of the same, as three figures.

use std::fmt;

/// Half of the measurements are from the one quartile to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) lower_quartile: f64,
    pub(crate) median: f64,
    pub(crate) upper_quartile: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (lower, upper) = (values.len() / 2, values.len().div_ceil(2));
        Self {
            lower_quartile: middle(&values[..upper]),
            median: middle(&values),
            upper_quartile: middle(&values[lower..]),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lower_quartile, median, upper_quartile } = self;
        write!(f, "{median:.3} ({lower_quartile:.3} to {upper_quartile:.3})")
    }
}

/// Returns the median of sorted values; not a number if there are none.
fn middle(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    match values.get(middle) {
        Some(upper) if values.len().is_multiple_of(2) => (values[middle - 1] + upper) / 2.0,
        Some(value) => *value,
        None => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_measurements_are_between_the_quartiles() {
        for (values, expected) in [
            (&[3.0, 1.0, 2.0][..], [1.5, 2.0, 2.5]),
            (&[4.0, 1.0, 2.0, 3.0], [1.5, 2.5, 3.5]),
            (&[5.0], [5.0, 5.0, 5.0]),
        ] {
            let spread = Spread::of(values.iter().copied());
            let Spread { lower_quartile, median, upper_quartile } = spread;
            assert_eq!([lower_quartile, median, upper_quartile], expected);
        }
        assert!(Spread::of(std::iter::empty()).median.is_nan());
        assert_eq!(Spread::of([1.0, 2.0].into_iter()).to_string(), "1.500 (1.000 to 2.000)");
    }
}
