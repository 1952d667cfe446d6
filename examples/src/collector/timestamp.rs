use std::ops::RangeInclusive;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time in milliseconds since 1970. SDKs send it in seconds, or as text by RFC 3339.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(f64);

/// The accepted times, up to the year 2286. A waterfall cannot show others.
const PLAUSIBLE_MS: RangeInclusive<f64> = 0.0..=1e13;

impl Timestamp {
    pub(super) fn ms(self) -> f64 {
        self.0
    }

    /// Returns the milliseconds from `start` to this time; 0 if it is earlier, as after a clock was set back.
    pub(super) fn since(self, start: Self) -> f64 {
        (self.0 - start.0).max(0.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a timestamp must be a number or a text")]
        enum Sent {
            Seconds(f64),
            Text(String),
        }
        let ms = match Sent::deserialize(deserializer)? {
            Sent::Seconds(seconds) => seconds * 1e3,
            Sent::Text(text) => {
                let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)?;
                time.unix_timestamp_nanos() as f64 / 1e6
            }
        };
        if !PLAUSIBLE_MS.contains(&ms) {
            return Err(D::Error::invalid_value(
                Unexpected::Float(ms),
                &"milliseconds from 1970 to 2286",
            ));
        }
        Ok(Self(ms))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(sent: &Value) -> Option<f64> {
        serde_json::from_value(sent.clone()).ok().map(Timestamp::ms)
    }

    #[test]
    fn timestamps_are_numbers_or_text() {
        let table = [
            (json!(1.5), 1500.0),
            (json!(2), 2000.0),
            (json!("1970-01-01T00:00:02.25Z"), 2250.0),
            (json!("1970-01-01T01:00:02.250000+01:00"), 2250.0),
        ];
        for (sent, ms) in table {
            assert_eq!(read(&sent), Some(ms), "{sent}");
        }
    }

    #[test]
    fn implausible_timestamps_are_refused() {
        for sent in [
            json!(-1),
            json!(1e300),
            json!("yesterday"),
            json!(null),
            json!("9999-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(&sent), None, "{sent}");
        }
    }
}
