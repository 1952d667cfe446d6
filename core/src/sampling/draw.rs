//! Computes the random number of a trace from its id, and from a decision that it must agree with.

use super::rand::{STEPS, SampleRand};
use super::rate::SampleRate;
use crate::wire::TraceId;

impl SampleRand {
    /// Computes the number of a trace id.
    pub fn from_trace_id(trace_id: TraceId) -> Self {
        Self::draw(trace_id, 0, STEPS)
    }

    /// Computes the number of a trace id for a decision that the head of the trace made.
    ///
    /// The number agrees with the decision: it is below the rate if sampled, else not below it. Where no
    /// number can agree (sampled at a rate of 0, not sampled at a rate of 1), the number of
    /// [`from_trace_id`](Self::from_trace_id) is returned.
    pub fn from_decision(trace_id: TraceId, sampled: bool, rate: SampleRate) -> Self {
        let below = steps_below(rate);
        match (sampled, below) {
            (true, 0) => Self::from_trace_id(trace_id),
            (true, _) => Self::draw(trace_id, 0, below),
            // No number with six digits is from this rate to below 1. The rate itself is not below the rate.
            (false, STEPS) if rate.get() < 1.0 => Self(rate.get()),
            (false, STEPS) => Self::from_trace_id(trace_id),
            (false, _) => Self::draw(trace_id, below, STEPS),
        }
    }

    /// Draws a step from `start` to below `end`, all with the same probability.
    fn draw(trace_id: TraceId, start: u32, end: u32) -> Self {
        // A step of SplitMix64 over both halves of the id. The id's own digits are not random enough: the UUID
        // version fixes some, and some services count their ids up.
        let (high, low) = uuid::Uuid::from(trace_id).as_u64_pair();
        let mut bits = (high ^ low.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let step = (u128::from(bits) * u128::from(end - start)) >> 64;
        // The step is below `end - start`, so no bits are cut off.
        Self(f64::from(start + step as u32) / f64::from(STEPS))
    }
}

/// Counts the steps below a rate.
fn steps_below(rate: SampleRate) -> u32 {
    // The product is rounded, so its ceiling may be one too low or too high.
    let guess = (rate.get() * f64::from(STEPS)).ceil() as u32;
    let is_below = |step: u32| f64::from(step) / f64::from(STEPS) < rate.get();
    (guess.saturating_sub(1)..=guess).find(|step| !is_below(*step)).unwrap_or(guess + 1).min(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TraceId {
        text.parse().unwrap()
    }

    fn rate(rate: f64) -> SampleRate {
        SampleRate::new(rate).unwrap()
    }

    /// These values never change: services with other versions of this library must draw the same numbers.
    #[test]
    fn trace_ids_always_give_the_same_number() {
        for (text, rand) in [
            ("00000000000000000000000000000001", "0.766301"),
            ("771a43a4192642f0b136d5159a501700", "0.233266"),
            ("ffffffffffffffffffffffffffffffff", "0.883310"),
        ] {
            assert_eq!(SampleRand::from_trace_id(id(text)).to_string(), rand, "{text}");
        }
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for _ in 0..100_000 {
            let rand = SampleRand::from_trace_id(TraceId::random()).get();
            tenths[(rand * 10.0) as usize] += 1;
        }
        // Five standard deviations of a binomial distribution around 10 000 are 474.
        assert!(tenths.iter().all(|count| (9_526..=10_474).contains(count)), "{tenths:?}");
    }

    #[test]
    fn numbers_drawn_for_a_decision_agree_with_it() {
        let rates =
            [1e-9, 1e-6, 0.000_001_5, 0.1, 0.25, 0.3, 0.7, 0.999_999, 0.999_999_5, 0.123_456_789];
        for number in rates {
            for sampled in [true, false] {
                for _ in 0..200 {
                    let rand = SampleRand::from_decision(TraceId::random(), sampled, rate(number));
                    let written: SampleRand = rand.to_string().parse().unwrap();
                    assert_eq!(written.is_sampled_at(rate(number)), sampled, "{number} {rand}");
                }
            }
        }
        assert!(SampleRand::from_decision(TraceId::random(), true, rate(1.0)).get() < 1.0);
        assert!(SampleRand::from_decision(TraceId::random(), false, rate(1.0)).get() < 1.0);
    }

    #[test]
    fn steps_below_a_rate_are_counted_exactly() {
        for (number, steps) in [
            (0.0, 0),
            (1e-9, 1),
            (1e-6, 1),
            (0.000_001_5, 2),
            (0.3, 300_000),
            (0.7, 700_000),
            (1.0, STEPS),
        ] {
            assert_eq!(steps_below(rate(number)), steps, "{number}");
        }
        for step in 0..=STEPS {
            let exact = f64::from(step) / f64::from(STEPS);
            assert_eq!(steps_below(rate(exact)), step);
            if step < STEPS {
                assert_eq!(steps_below(rate(exact.next_up())), step + 1);
            }
        }
    }
}
