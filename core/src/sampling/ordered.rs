//! Order and hash of numbers.

/// Neither the rate nor the random number has a value that is not a number, or a negative zero, which are what
/// keeps other floating point numbers from having an order and a hash.
macro_rules! ordered {
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
    };
}

pub(super) use ordered;
