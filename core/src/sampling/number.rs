//! What the rate and the random number have in common.

/// Implements order, hash, conversion and serde for a floating point number. The rate and the random number can
/// have order and hash because neither can be NaN or a negative zero.
macro_rules! number {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                std::hash::Hash::hash(&self.0.to_bits(), state);
            }
        }

        impl TryFrom<f64> for $name {
            type Error = $crate::sampling::SampleError;

            fn try_from(number: f64) -> Result<Self, $crate::sampling::SampleError> {
                Self::new(number)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = <f64 as serde::Deserialize>::deserialize(deserializer)?;
                Self::new(number).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(super) use number;

#[cfg(test)]
#[cfg(feature = "serde")]
mod tests {
    use crate::{SampleRand, SampleRate};

    #[test]
    fn serde_uses_numbers_within_the_range() {
        let rate = SampleRate::new(0.25).unwrap();
        assert_eq!(serde_json::to_string(&rate).unwrap(), "0.25");
        assert_eq!(serde_json::from_str::<SampleRate>("0.25").unwrap(), rate);
        assert_eq!(serde_json::from_str::<SampleRate>("1").unwrap(), SampleRate::ALWAYS);
        assert!(serde_json::from_str::<SampleRate>("1.5").is_err());
        let rand = SampleRand::new(0.123_456).unwrap();
        assert_eq!(serde_json::to_string(&rand).unwrap(), "0.123456");
        assert_eq!(serde_json::from_str::<SampleRand>("0.123456").unwrap(), rand);
        assert!(serde_json::from_str::<SampleRand>("1").is_err());
    }
}
