//! Text on the stack, and text in serde.

use std::fmt;
use std::ops::Deref;

/// Up to `N` bytes of ASCII, for values that have a known largest size and are gone in a moment.
#[derive(Clone, Copy)]
pub(crate) struct StackText<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> StackText<N> {
    /// Keeps what `encode` writes into the buffer it is given.
    pub(crate) fn new(encode: impl FnOnce(&mut [u8; N]) -> &str) -> Self {
        let mut bytes = [0; N];
        let len = encode(&mut bytes).len();
        Self { bytes, len }
    }
}

impl<const N: usize> Deref for StackText<N> {
    type Target = str;

    fn deref(&self) -> &str {
        // Made from a `&str`: the default is never taken, and needs no panic.
        self.bytes
            .get(..self.len)
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for StackText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Reads a value from a serde string by its `FromStr`, borrowed or owned.
#[cfg(feature = "serde")]
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
    D: serde::Deserializer<'de>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);

    impl<T: std::str::FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Visitor(std::marker::PhantomData))
}
