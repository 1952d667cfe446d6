//! What was counted and timed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};

use crate::headers::Headers;

/// The probability that a run fails although every decision is right.
const FALSE_ALARM: f64 = 1e-9;

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) traces: u64,
    pub(crate) continued: u64,
    pub(crate) started: u64,
    pub(crate) reading: Cost,
    pub(crate) writing: Cost,
    /// The decisions by each rate. The key is the rate's bits, which sort as the rates do.
    shares: BTreeMap<u64, Share>,
    bytes: u64,
    most_bytes: u64,
}

/// The time of an operation, summed over all calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    times: u64,
    total: Duration,
}

impl Cost {
    pub(crate) fn add(&mut self, time: Duration) {
        self.times += 1;
        self.total += time;
    }

    fn and(self, other: Self) -> Self {
        Self { times: self.times + other.times, total: self.total + other.total }
    }

    fn nanoseconds(self) -> f64 {
        self.total.as_secs_f64() * 1e9 / self.times.max(1) as f64
    }
}

/// Decisions by one rate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Share {
    decisions: u64,
    sampled: u64,
}

impl Share {
    fn get(self) -> f64 {
        self.sampled as f64 / self.decisions as f64
    }

    /// Returns how far the share may be from the rate. By Bernstein's inequality, which holds for any number of
    /// decisions, it is further away with at most this probability.
    fn bound(self, rate: f64, probability: f64) -> f64 {
        let count = self.decisions as f64;
        let log = (2.0 / probability).ln();
        let variance = count * rate * (1.0 - rate);
        (log / 3.0 + (log * log / 9.0 + 2.0 * log * variance).sqrt()) / count
    }
}

impl Report {
    /// Counts a decision that does not follow from another counted one.
    pub(crate) fn count_decision(&mut self, rate: f64, sampled: bool) {
        let share = self.shares.entry(rate.to_bits()).or_default();
        share.decisions += 1;
        share.sampled += u64::from(sampled);
    }

    pub(crate) fn count_headers(&mut self, headers: &Headers) {
        let bytes = headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes += bytes;
        self.most_bytes = self.most_bytes.max(bytes);
    }

    /// Adds two reports.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (rate, share) in other.shares {
            let sum = self.shares.entry(rate).or_default();
            sum.decisions += share.decisions;
            sum.sampled += share.sampled;
        }
        Self {
            traces: self.traces + other.traces,
            continued: self.continued + other.continued,
            started: self.started + other.started,
            reading: self.reading.and(other.reading),
            writing: self.writing.and(other.writing),
            shares: self.shares,
            bytes: self.bytes + other.bytes,
            most_bytes: self.most_bytes.max(other.most_bytes),
        }
    }

    /// Returns each rate with its share, and how far they may be apart.
    fn shares(&self) -> impl Iterator<Item = (f64, Share, f64)> {
        let probability = FALSE_ALARM / self.shares.len().max(1) as f64;
        self.shares.iter().map(move |(bits, share)| {
            let rate = f64::from_bits(*bits);
            (rate, *share, share.bound(rate, probability))
        })
    }

    /// Fails if a share is further from its rate than chance can explain.
    pub(crate) fn ensure_shares_are_near_the_rates(&self) -> Result<()> {
        for (rate, share, bound) in self.shares() {
            if (share.get() - rate).abs() > bound {
                bail!(
                    "{} of {} traces are sampled at the rate {rate}: off by more than {bound:.6}",
                    share.sampled,
                    share.decisions
                );
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["rate", "traces decided", "share sampled", "off by", "at most"]);
        for (rate, share, bound) in self.shares() {
            table.add_row([
                rate.to_string(),
                share.decisions.to_string(),
                format!("{:.6}", share.get()),
                format!("{:+.6}", share.get() - rate),
                format!("{bound:.6}"),
            ]);
        }
        writeln!(
            f,
            "{} traces, continued {} times and started {} times by services with the library: all checks passed",
            self.traces, self.continued, self.started
        )?;
        writeln!(f, "{table}")?;
        let sent = self.writing.times.max(1);
        write!(
            f,
            "a hop takes {:.0} ns to read and {:.0} ns to write, with its carrier; headers have {} bytes, at most {}",
            self.reading.nanoseconds(),
            self.writing.nanoseconds(),
            self.bytes / sent,
            self.most_bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rate: f64, decisions: u64, sampled: u64) -> Report {
        let mut report = Report::default();
        for n in 0..decisions {
            report.count_decision(rate, n < sampled);
        }
        report
    }

    #[test]
    fn shares_that_chance_cannot_explain_are_errors() {
        for (rate, decisions, sampled, is_right) in [
            (0.25, 10_000, 2_500, true),
            (0.25, 10_000, 2_600, true),
            (0.25, 10_000, 2_900, false),
            (0.25, 10_000, 2_100, false),
            (0.0, 10_000, 0, true),
            (0.0, 10_000, 100, false),
            (1.0, 10_000, 9_900, false),
            (0.001, 1_000, 3, true),
        ] {
            let report = report(rate, decisions, sampled);
            let result = report.ensure_shares_are_near_the_rates();
            assert_eq!(result.is_ok(), is_right, "{rate} {sampled}");
        }
    }
}
