//! What the head of a trace tells everybody who sees it.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use crate::id::TraceId;
use crate::items::Items;
use crate::sampling::{SampleRand, SampleRate};
use crate::shared_values::SharedValues;
use crate::wire::{Baggage, SentryTrace, joined};

/// The
/// [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
/// (DSC) of a trace: the items from which Sentry decides which traces to keep.
///
/// It travels as the `sentry-` members of a `baggage` header, and that text is what this type holds: items
/// nobody here knows, their order and their spelling included. It is looked into only when asked.
///
/// A value of this type never changes. A [`PropagationContext`](crate::PropagationContext) makes one when
/// the trace first leaves the service that began it, or takes over the one that arrived; either way it is
/// *frozen* from then on.
///
/// ```
/// use tracehop::DynamicSamplingContext;
///
/// let header = "userId=alice,sentry-release=shop%401.4.0,sentry-sample_rate=0.25,sentry-new=1";
/// let dsc = DynamicSamplingContext::from_baggage([header.as_bytes()]);
/// assert_eq!(dsc.release().as_deref(), Some("shop@1.4.0"));
/// assert_eq!(dsc.get("new").as_deref(), Some("1"));
/// assert_eq!(dsc.as_str(), "sentry-release=shop%401.4.0,sentry-sample_rate=0.25,sentry-new=1");
/// ```
///
/// With the feature `serde` it is a map of strings without the prefix, which is the form of the `trace`
/// header of an [envelope](https://develop.sentry.dev/sdk/data-model/envelopes/).
#[derive(Clone)]
pub struct DynamicSamplingContext {
    /// Made when somebody asks for it, if what arrived can be sent from where it is.
    list: OnceLock<Baggage>,
    /// The item `sentry-sample_rand`, if it is known: it is of nearly all that arrive.
    sample_rand: Option<SampleRand>,
    shared: SharedValues,
}

impl DynamicSamplingContext {
    /// The items among the members of `baggage` header lines.
    ///
    /// Members of other vendors are left out, as are malformed ones and what is over the limits of
    /// [`Baggage`]. Of equal names the last counts, in the place of the first.
    pub fn from_baggage<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let line = joined(0, lines);
        let items = Items::find(&line);
        Self { sample_rand: items.sample_rand, ..Self::from_items(items.into_list(line)) }
    }

    /// The items among the members of one line, which is within the limits and has [`SharedValues::ROOM`] before it;
    /// for a service that has this position in the trace.
    pub(crate) fn arrived(line: Vec<u8>, position: &SentryTrace) -> Self {
        let items = Items::find(line.get(SharedValues::ROOM..).unwrap_or_default());
        let sample_rand = items.sample_rand;
        match SharedValues::within(line, &items, position) {
            Ok(shared) => Self { list: OnceLock::new(), sample_rand, shared },
            Err(line) => Self { sample_rand, ..Self::from_items(items.into_list(line)) },
        }
    }

    /// The items of a list that holds nothing else.
    pub(crate) fn from_items(baggage: Baggage) -> Self {
        let shared = SharedValues::default();
        Self { list: OnceLock::from(baggage), sample_rand: None, shared }
    }

    /// The header values of a request from this position in the trace, if the items are such a value, and not none.
    #[cfg(feature = "http")]
    pub(crate) fn header_values(
        &self,
        sentry_trace: &SentryTrace,
    ) -> Option<(Cow<'_, http::HeaderValue>, &http::HeaderValue)> {
        self.shared.of(sentry_trace, || self.as_str())
    }

    /// The same with an item set to another value where it stands, or added at the end; `None` if that does
    /// not fit into a list.
    pub(crate) fn with(&self, name: &str, value: &str) -> Option<Self> {
        let key = ["sentry-", name].concat();
        let mut baggage = Baggage::with_capacity(self.as_str().len() + key.len() + value.len() + 2);
        let mut found = false;
        for member in self.as_baggage().members() {
            if member.key() == key {
                found = true;
                baggage.push(&key, value).ok()?;
            } else {
                baggage.push_member(&member).ok()?;
            }
        }
        if !found {
            baggage.push(&key, value).ok()?;
        }
        Some(Self::from_items(baggage))
    }

    /// The decoded value of the item with this name, without the prefix `sentry-`.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.item(&["sentry-", name].concat())
    }

    /// The decoded value of the only item with this key: none is looked for behind it.
    fn item(&self, key: &str) -> Option<Cow<'_, str>> {
        self.as_baggage().find(key).next().map(|member| member.value())
    }

    /// Names, without the prefix, and decoded values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.as_baggage()
            .members()
            .filter_map(|member| Some((member.sentry_name()?, member.value())))
    }

    /// The trace that the items are about.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.item("sentry-trace_id")?.parse().ok()
    }

    /// The public key of the DSN of the service that began the trace.
    pub fn public_key(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-public_key")
    }

    /// The rate at which the decision was made; `None` also if the text is not a rate.
    pub fn sample_rate(&self) -> Option<SampleRate> {
        self.item("sentry-sample_rate")?.parse().ok()
    }

    /// The random number of the trace; `None` also if the text is not one.
    pub fn sample_rand(&self) -> Option<SampleRand> {
        self.sample_rand.or_else(|| self.item("sentry-sample_rand")?.parse().ok())
    }

    /// What the head of the trace decided; `None` if it deferred the decision.
    pub fn sampled(&self) -> Option<bool> {
        match &*self.item("sentry-sampled")? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The release of the service that began the trace.
    pub fn release(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-release")
    }

    /// The environment of the service that began the trace.
    pub fn environment(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-environment")
    }

    /// The route pattern of the request that began the trace.
    pub fn transaction(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-transaction")
    }

    /// The Sentry organisation of the service that began the trace. An empty one is none.
    pub fn org_id(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-org_id").filter(|id| !id.is_empty())
    }

    /// The session replay that the trace was recorded in.
    pub fn replay_id(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-replay_id")
    }

    /// The segment of the user for whom the trace was begun.
    pub fn user_segment(&self) -> Option<Cow<'_, str>> {
        self.item("sentry-user_segment")
    }

    /// Whether there are no items: the trace was begun by an SDK that sends none, and nobody may add any.
    pub fn is_empty(&self) -> bool {
        // What is sent from where it arrived is not empty.
        self.list.get().is_some_and(Baggage::is_empty)
    }

    /// The items as members of a `baggage` header; empty if there are none.
    pub fn as_str(&self) -> &str {
        self.as_baggage().as_str()
    }

    /// The items as a `baggage` list.
    pub fn as_baggage(&self) -> &Baggage {
        self.list.get_or_init(|| self.shared.to_list())
    }
}

impl Default for DynamicSamplingContext {
    fn default() -> Self {
        Self::from_items(Baggage::new())
    }
}

impl PartialEq for DynamicSamplingContext {
    fn eq(&self, other: &Self) -> bool {
        self.as_baggage() == other.as_baggage()
    }
}

impl Eq for DynamicSamplingContext {}

impl Hash for DynamicSamplingContext {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_baggage().hash(state);
    }
}

impl fmt::Debug for DynamicSamplingContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Display for DynamicSamplingContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_baggage().fmt(f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DynamicSamplingContext {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for DynamicSamplingContext {
    /// Reads a map of strings. Items that no `baggage` header could carry are left out.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Baggage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Baggage, A::Error> {
                let mut baggage = Baggage::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if !name.is_empty() {
                        let _ = baggage.push(&["sentry-", &name].concat(), &value);
                    }
                }
                Ok(baggage)
            }
        }

        // Read once more as a header, which settles what equal names mean.
        let baggage = deserializer.deserialize_map(Visitor)?;
        Ok(Self::from_baggage([baggage.as_str().as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsc(lines: &[&str]) -> DynamicSamplingContext {
        DynamicSamplingContext::from_baggage(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn only_our_members_are_kept_with_their_text_and_order() {
        let table: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["other=1"], ""),
            (&["SENTRY-release=1,Sentry-a=2"], ""),
            (&["sentry-b=%2f , other=1", "sentry-a = 1;p"], "sentry-b=%2f,sentry-a=1;p"),
            (&["sentry-custom-key=1,sentry-release="], "sentry-custom-key=1,sentry-release="),
            (&["sentry-=v,sentry-a=%zz,sentry-b=1"], "sentry-b=1"),
        ];
        for (lines, expected) in table {
            assert_eq!(dsc(lines).as_str(), *expected, "{lines:?}");
        }
    }

    #[test]
    fn the_last_of_equal_names_is_kept() {
        for (line, expected) in [
            ("sentry-a=1,sentry-a=2", "sentry-a=2"),
            ("sentry-a=1,sentry-b=2,sentry-a=3", "sentry-a=3,sentry-b=2"),
            (
                "sentry-a=1,sentry-b=2,sentry-c=3,sentry-b=4,sentry-c=5",
                "sentry-a=1,sentry-b=4,sentry-c=5",
            ),
        ] {
            assert_eq!(dsc(&[line]).as_str(), expected);
        }
        let full: Vec<String> = (0..64).map(|n| format!("sentry-k{n}=1")).collect();
        let again = dsc(&[&full.join(","), "sentry-k0=2,sentry-new=1"]);
        assert_eq!(again.get("k0").as_deref(), Some("2"));
        assert_eq!(again.get("new"), None);
        assert_eq!(again.as_baggage().len(), 64);
    }

    #[test]
    fn a_member_that_fits_no_list_does_not_replace_one_that_does() {
        let huge = format!("sentry-a=1,sentry-a=x{}x", "\"".repeat(4_000));
        assert_eq!(dsc(&[&huge]).as_str(), "sentry-a=1");
    }

    #[test]
    fn every_listed_item_has_a_typed_reading() {
        let dsc = dsc(&["sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-public_key=key,\
             sentry-sample_rate=2.5e-1,sentry-sample_rand=0.123456,sentry-sampled=true,\
             sentry-release=shop%401.4.0,sentry-environment=pre%20prod,\
             sentry-transaction=GET%20%2Fusers%2F%7Bid%7D,sentry-org_id=123,\
             sentry-replay_id=0af7651916cd43dd8448eb211c80319c,sentry-user_segment=beta,\
             sentry-custom-key=x;p"]);
        assert_eq!(dsc.trace_id(), Some("771a43a4192642f0b136d5159a501700".parse().unwrap()));
        assert_eq!(dsc.public_key().as_deref(), Some("key"));
        assert_eq!(dsc.sample_rate().map(SampleRate::get), Some(0.25));
        assert_eq!(dsc.sample_rand().map(SampleRand::get), Some(0.123_456));
        assert_eq!(dsc.sampled(), Some(true));
        assert_eq!(dsc.release().as_deref(), Some("shop@1.4.0"));
        assert_eq!(dsc.environment().as_deref(), Some("pre prod"));
        assert_eq!(dsc.transaction().as_deref(), Some("GET /users/{id}"));
        assert_eq!(dsc.org_id().as_deref(), Some("123"));
        assert_eq!(dsc.replay_id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(dsc.user_segment().as_deref(), Some("beta"));
        assert_eq!(dsc.get("custom-key").as_deref(), Some("x"));
        assert_eq!(dsc.iter().count(), 12);
    }

    #[test]
    fn items_that_are_not_what_their_name_says_read_as_absent() {
        let dsc = dsc(&[
            "sentry-trace_id=1,sentry-sample_rate=2,sentry-sample_rand=1,sentry-sampled=yes,sentry-org_id=",
        ]);
        assert_eq!(dsc.trace_id(), None);
        assert_eq!(dsc.sample_rate(), None);
        assert_eq!(dsc.sample_rand(), None);
        assert_eq!(dsc.sampled(), None);
        assert_eq!(dsc.org_id(), None);
    }

    #[test]
    fn an_item_is_set_where_it_stands_or_added_at_the_end() {
        let dsc = dsc(&["sentry-a=1,sentry-b=2"]);
        let with = |name, value| dsc.with(name, value).unwrap().to_string();
        assert_eq!(with("a", "x/y"), "sentry-a=x%2Fy,sentry-b=2");
        assert_eq!(with("c", "3"), "sentry-a=1,sentry-b=2,sentry-c=3");
    }

    #[test]
    fn an_item_that_does_not_fit_is_not_set_at_the_cost_of_others() {
        let full = dsc(&[&format!("sentry-a=1,sentry-b={}", "x".repeat(8_172))]);
        assert_eq!(full.as_str().len(), 8_192);
        assert_eq!(full.with("a", "12"), None);
        assert_eq!(full.with("c", ""), None);
        assert!(full.with("a", "2").is_some());
        let many: Vec<String> = (0..64).map(|n| format!("sentry-k{n}=1")).collect();
        assert_eq!(dsc(&[&many.join(",")]).with("new", "1"), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn the_envelope_form_is_a_map_of_strings_without_the_prefix() {
        let dsc = dsc(&["sentry-release=shop%401.4.0,sentry-sampled=true,sentry-custom-key=x"]);
        let json = serde_json::to_string(&dsc).unwrap();
        assert_eq!(json, r#"{"release":"shop@1.4.0","sampled":"true","custom-key":"x"}"#);
        assert_eq!(serde_json::from_str::<DynamicSamplingContext>(&json).unwrap(), dsc);
        let odd = r#"{"":"1","a b":"2","a":"3","a":"4"}"#;
        assert_eq!(
            serde_json::from_str::<DynamicSamplingContext>(odd).unwrap().as_str(),
            "sentry-a=4"
        );
    }
}
