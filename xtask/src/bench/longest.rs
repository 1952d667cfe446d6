//! The longest baggage that a client may send, beside as much of it as counts.

use std::fmt;

use serde::Serialize;

/// No longer, but for noise.
const AT_MOST: f64 = 1.1;

/// The time of a baggage of 1 MiB, in times of the first 8 KiB of it alone.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct Longest(f64);

impl Longest {
    /// By what each size takes.
    pub(crate) fn measure<E>(time: impl Fn(&str) -> Result<f64, E>) -> Result<Self, E> {
        Ok(Self(time("1-mib")? / time("8-kib")?))
    }

    /// That it takes longer than it should, a sentence.
    pub(crate) fn shortfall(self) -> Option<String> {
        let Self(times) = self;
        (times > AT_MOST).then(|| {
            format!(
                "a baggage of 1 MiB, {times:.2} times the time of the 8 KiB that count instead of {AT_MOST:.1}"
            )
        })
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(times) = self;
        write!(
            f,
            "a baggage of 1 MiB takes {times:.2} times as long as the 8 KiB that count, at most {AT_MOST:.1}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_of_its_mark_if_more_is_read_than_counts() {
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
