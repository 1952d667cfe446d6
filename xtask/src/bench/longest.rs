//! A hop with a very long baggage, beside a hop with the 8 KiB of it that are read.

use std::fmt;

/// The times must be equal, except for noise.
const AT_MOST: f64 = 1.1;

/// The time of a hop with 1 MiB of baggage, in multiples of a hop with only the first 8 KiB of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Longest(f64);

impl Longest {
    /// Computes the ratio from the time of each size, in any unit.
    pub(crate) fn measure<E>(time: impl Fn(&str) -> Result<f64, E>) -> Result<Self, E> {
        Ok(Self(time("1-mib")? / time("8-kib")?))
    }

    /// Returns a sentence if the hop takes longer than it must.
    pub(crate) fn shortfall(self) -> Option<String> {
        let Self(times) = self;
        (times > AT_MOST).then(|| {
            format!(
                "a hop with 1 MiB of baggage, {times:.2} times the time of one with 8 KiB instead of {AT_MOST:.1}"
            )
        })
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(times) = self;
        write!(
            f,
            "A hop with 1 MiB of baggage takes {times:.2} times as long as one with the 8 KiB that are read, at most {AT_MOST:.1}."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_more_than_8_kib_misses_the_target() {
        let longest = |mib: f64| {
            Longest::measure(|size| match size {
                "1-mib" => Ok(mib),
                "8-kib" => Ok(17.0),
                other => Err(other.to_owned()),
            })
        };
        assert_eq!(longest(17.0).unwrap().shortfall(), None);
        let short = longest(34.0).unwrap();
        assert!(short.shortfall().unwrap().contains("2.00 times"));
        assert!(short.to_string().contains("2.00 times"));
    }
}
