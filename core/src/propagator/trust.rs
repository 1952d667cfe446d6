//! Whose traces are continued: the policy for callers outside of an application's own network.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::dsc::DynamicSamplingContext;
use crate::recorder::IncomingRequest;
use crate::wire::SentryTrace;

/// What becomes of an incoming trace. See
/// [`PropagatorBuilder::trust_incoming`](crate::PropagatorBuilder::trust_incoming).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Continues the trace, with the caller's decision and dynamic sampling context.
    Continue,
    /// Continues the ids. The decision, its random number and the dynamic sampling context are made here.
    DecideHere,
    /// Begins a new trace. No value of the caller's is used.
    NewTrace,
}

/// An incoming trace, as a policy sees it before it is continued.
#[derive(Clone, Copy)]
pub struct IncomingTrace<'a> {
    pub(super) request: Option<&'a dyn IncomingRequest>,
    pub(super) sentry_trace: SentryTrace,
    pub(super) dsc: &'a DynamicSamplingContext,
}

impl<'a> IncomingTrace<'a> {
    /// Returns the address of the peer of the connection: of the caller, or of the proxy in front of this service.
    /// `None` if it is not known, as for queue messages and Unix sockets.
    pub fn peer(&self) -> Option<IpAddr> {
        self.request?.peer()
    }

    /// Returns the pattern of the route, such as `/users/{id}`, if it is known.
    pub fn route(&self) -> Option<Cow<'a, str>> {
        self.request?.route()
    }

    /// Returns the incoming ids and decision.
    pub fn sentry_trace(&self) -> SentryTrace {
        self.sentry_trace
    }

    /// Returns the incoming dynamic sampling context.
    pub fn dsc(&self) -> &'a DynamicSamplingContext {
        self.dsc
    }
}

impl fmt::Debug for IncomingTrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingTrace")
            .field("peer", &self.peer())
            .field("route", &self.route())
            .field("sentry_trace", &self.sentry_trace)
            .field("dsc", &self.dsc)
            .finish()
    }
}

/// A policy, as options hold it.
pub(crate) type TrustPolicy = Arc<dyn Fn(&IncomingTrace<'_>) -> Trust + Send + Sync>;

/// A network of IP addresses, such as that of the proxies in front of a service.
///
/// The text is an address and the number of its leading bits that count
/// ([RFC 4632](https://www.rfc-editor.org/rfc/rfc4632#section-3.1)), or a single address.
///
/// ```
/// use tracehop::Network;
///
/// let proxies: Network = "10.1.0.0/16".parse()?;
/// assert!(proxies.contains("10.1.2.3".parse()?));
/// assert!(proxies.contains("::ffff:10.1.2.3".parse()?));
/// assert!(!proxies.contains("10.2.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address is in the network. An IPv4 address in the form of an IPv6 address is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            // Without a sign, which `parse` would read.
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= most).ok_or(NetworkError)?
            }
            Some(_) => return Err(NetworkError),
            None => most,
        };
        Ok(Self { address, bits })
    }
}

/// The error of a text that is not a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkError;

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a network is an IP address, or one with its number of leading bits: 10.0.0.0/8",
        )
    }
}

impl Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_addresses_with_their_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.9.9.9/8", "10.0.0.0", "::1"),
            ("192.168.0.0/31", "192.168.0.1", "192.168.0.2"),
            ("192.168.0.1", "192.168.0.1", "192.168.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::2"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("::/0", "ffff::", "1.2.3.4"),
        ] {
            let read: Network = network.parse().unwrap();
            assert!(read.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!read.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "a/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}
