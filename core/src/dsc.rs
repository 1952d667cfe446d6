//! The dynamic sampling context: what the head of a trace tells all services about it.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU16;

use crate::sampling::{SampleRand, SampleRate};
use crate::wire::{
    Baggage, BaggageMember, BaggageMembers, ListBuilder, TraceId, decode, lines_within_limit,
};

/// The
/// [dynamic sampling context](https://develop.sentry.dev/sdk/foundations/trace-propagation/dynamic-sampling-context/)
/// (DSC) of a trace: the items by which Sentry decides which traces to keep.
///
/// It travels as the `sentry-` members of a `baggage` header. This type holds that text: unknown items, the order
/// and the spelling are kept.
///
/// A value of this type never changes. A [`PropagationContext`](crate::PropagationContext) makes one when
/// the trace first leaves the service that began it, or takes over the incoming one. From then on it is *frozen*.
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
#[derive(Clone, Default)]
pub struct DynamicSamplingContext {
    items: Baggage,
    known: Known,
}

/// What every incoming request needs, noted in the pass that reads the items.
#[derive(Clone, Copy, Default)]
struct Known {
    sample_rand: Option<SampleRand>,
    org_id: Option<Place>,
    trace_id: Option<Place>,
}

/// The range in the list from the start of a value to the end of its member, properties included. The start is never
/// 0, because the key is in front of the value. Lists are shorter than 2^16 bytes.
type Place = (NonZeroU16, u16);

impl Known {
    /// Notes a member that stands in the list from `start` to `end`.
    #[inline]
    fn note(&mut self, member: &BaggageMember<'_>, start: usize, end: usize) {
        let key = member.raw_key();
        let value = || Some((NonZeroU16::new((start + key.len() + 1) as u16)?, end as u16));
        match key {
            b"sentry-sample_rand" => self.sample_rand = member.value().parse().ok(),
            b"sentry-org_id" => self.org_id = value(),
            b"sentry-trace_id" => self.trace_id = value(),
            _ => (),
        }
    }
}

impl DynamicSamplingContext {
    /// Reads the items among the members of `baggage` header lines.
    ///
    /// Members of other vendors, malformed members and members over the limits of [`Baggage`] are left out.
    /// The last of equal names counts, in the place of the first.
    pub fn from_baggage<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut lines = lines.into_iter().peekable();
        // Nearly all requests have one line, and it becomes the list.
        let mut list = ListBuilder::with_capacity(lines.peek().map_or(0, |line| line.len()));
        let mut known = Known::default();
        let mut names = Names::default();
        for line in lines_within_limit(lines) {
            for member in BaggageMembers::new(line) {
                if let Ok(member) = &member
                    && member.is_sentry()
                    && let Some(start) = names.push(&mut list, member)
                {
                    known.note(member, start, list.len());
                }
            }
        }
        let items = Baggage::from(list);
        // A replaced member moves those after it.
        if names.has_replaced { Self::from_items(items) } else { Self { items, known } }
    }

    /// Makes a dynamic sampling context of a list that has only items, each name once.
    pub(crate) fn from_items(items: Baggage) -> Self {
        let mut known = Known::default();
        let mut start = 0;
        for member in items.as_str().split(',') {
            let end = start + member.len();
            if let Some(Ok(member)) = BaggageMembers::new(member.as_bytes()).next() {
                known.note(&member, start, end);
            }
            start = end + 1;
        }
        Self { items, known }
    }

    /// Sets an item where it stands, or appends it. Returns `None` if that does not fit into a list.
    pub(crate) fn with(&self, name: &str, value: &str) -> Option<Self> {
        let mut items = self.items.clone();
        items.set(&["sentry-", name].concat(), value).ok()?;
        Some(Self::from_items(items))
    }

    /// Returns the decoded value of the item with this name, without the prefix `sentry-`.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut members = self.items.members();
        members.find(|member| member.sentry_name() == Some(name)).map(|member| member.value())
    }

    /// Returns the names, without the prefix, and the decoded values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.items.members().filter_map(|member| Some((member.sentry_name()?, member.value())))
    }

    /// Returns the trace that the items are about; `None` also if the text is not a trace id.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.known_trace_id()?.parse().ok()
    }

    /// Returns the text of the trace id, unless it is empty.
    pub(crate) fn known_trace_id(&self) -> Option<Cow<'_, str>> {
        self.known_value(self.known.trace_id?)
    }

    /// Returns a value that was noted, unless it is empty.
    fn known_value(&self, (start, end): Place) -> Option<Cow<'_, str>> {
        let value = self.items.as_str().get(usize::from(start.get())..usize::from(end))?;
        let value = value.split(';').next().filter(|value| !value.is_empty())?;
        Some(decode(value))
    }

    /// Returns the public key of the DSN of the head of the trace.
    pub fn public_key(&self) -> Option<Cow<'_, str>> {
        self.get("public_key")
    }

    /// Returns the rate of the decision; `None` also if the text is not a rate.
    pub fn sample_rate(&self) -> Option<SampleRate> {
        self.get("sample_rate")?.parse().ok()
    }

    /// Returns the random number of the trace; `None` also if the text is not one.
    pub fn sample_rand(&self) -> Option<SampleRand> {
        self.known.sample_rand
    }

    /// Returns the decision of the head of the trace; `None` if it is deferred, or if the text is not a decision.
    pub fn sampled(&self) -> Option<bool> {
        match &*self.get("sampled")? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Returns the release of the head of the trace.
    pub fn release(&self) -> Option<Cow<'_, str>> {
        self.get("release")
    }

    /// Returns the environment of the head of the trace.
    pub fn environment(&self) -> Option<Cow<'_, str>> {
        self.get("environment")
    }

    /// Returns the transaction's name at the head of the trace, a route pattern.
    pub fn transaction(&self) -> Option<Cow<'_, str>> {
        self.get("transaction")
    }

    /// Returns the Sentry organisation of the head of the trace. An empty one counts as absent.
    pub fn org_id(&self) -> Option<Cow<'_, str>> {
        self.known_value(self.known.org_id?)
    }

    /// Returns the session replay that the trace was recorded in.
    pub fn replay_id(&self) -> Option<Cow<'_, str>> {
        self.get("replay_id")
    }

    /// Returns the user segment, a group of users that the head of the trace assigned its user to.
    pub fn user_segment(&self) -> Option<Cow<'_, str>> {
        self.get("user_segment")
    }

    /// Whether there are no items: the head of the trace sends none, and no other service may add any.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the items as members of a `baggage` header; an empty text if there are none.
    pub fn as_str(&self) -> &str {
        self.items.as_str()
    }

    /// Returns the items as a `baggage` list.
    pub fn as_baggage(&self) -> &Baggage {
        &self.items
    }
}

/// The names in a list that is being written, to find equal ones.
struct Names {
    /// Where the members start.
    starts: [u16; Baggage::MAX_MEMBERS],
    len: usize,
    /// A bit for each name. Only names that share a bit are compared.
    bits: u64,
    has_replaced: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self { starts: [0; Baggage::MAX_MEMBERS], len: 0, bits: 0, has_replaced: false }
    }
}

impl Names {
    /// Appends a member, or puts it in place of the one with its name. Returns where it starts in the list, `None`
    /// if it does not fit.
    #[inline]
    fn push(&mut self, list: &mut ListBuilder, member: &BaggageMember<'_>) -> Option<usize> {
        let bit = name_bit(member.raw_key());
        if self.bits & bit != 0
            && let Some(index) = self.find(list, member)
        {
            return self.replace(list, index, member);
        }
        // Members other than the first have a comma in front.
        let start = if self.len == 0 { 0 } else { list.len() + 1 };
        if !list.push(member) {
            return None;
        }
        // The list holds at most as many members as the array, and is shorter than 2^16 bytes.
        self.starts[self.len] = start as u16;
        self.len += 1;
        self.bits |= bit;
        Some(start)
    }

    fn find(&self, list: &ListBuilder, member: &BaggageMember<'_>) -> Option<usize> {
        let mut starts = self.starts[..self.len].iter();
        starts.position(|start| list.has_key_at(usize::from(*start), member.raw_key()))
    }

    #[cold]
    fn replace(
        &mut self,
        list: &mut ListBuilder,
        index: usize,
        member: &BaggageMember<'_>,
    ) -> Option<usize> {
        let start = usize::from(self.starts[index]);
        let growth = list.replace_at(start, member)?;
        for later in &mut self.starts[index + 1..self.len] {
            *later = later.wrapping_add_signed(growth);
        }
        self.has_replaced = true;
        Some(start)
    }
}

/// Maps a key to one of 64 bits by its length and its last byte, which differ between most names.
#[inline]
fn name_bit(key: &[u8]) -> u64 {
    let last = key.last().map_or(0, |last| usize::from(*last));
    1 << ((4 * key.len() + last) % 64)
}

impl PartialEq for DynamicSamplingContext {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl Eq for DynamicSamplingContext {}

impl Hash for DynamicSamplingContext {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.items.hash(state);
    }
}

impl fmt::Debug for DynamicSamplingContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Display for DynamicSamplingContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.fmt(f)
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
    /// Reads a map of strings. Items that a `baggage` header cannot carry are left out.
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

        // Reading the list as a header leaves one item of each name.
        let baggage = deserializer.deserialize_map(Visitor)?;
        Ok(Self::from_baggage([baggage.as_str().as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn dsc(lines: &[&str]) -> DynamicSamplingContext {
        DynamicSamplingContext::from_baggage(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn sentry_members_keep_text_and_order() {
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
        let long = format!("sentry-{}=1,sentry-a=2", "x".repeat(8000));
        assert_eq!(dsc(&[&long]).as_str(), long);
    }

    #[test]
    fn equal_names_keep_the_last_value() {
        for (line, expected) in [
            ("sentry-a=1,sentry-a=2", "sentry-a=2"),
            ("sentry-a=1,sentry-b=2,sentry-a=3", "sentry-a=3,sentry-b=2"),
            (
                "sentry-a=1,sentry-b=2,sentry-c=3,sentry-b=4,sentry-c=5",
                "sentry-a=1,sentry-b=4,sentry-c=5",
            ),
            ("sentry-a=1,sentry-b=2,sentry-b=33,sentry-b=4", "sentry-a=1,sentry-b=4"),
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
    fn contexts_are_equal_by_their_items() {
        let (one, same, other) =
            (dsc(&["sentry-a=1"]), dsc(&["b=2,sentry-a=1"]), dsc(&["sentry-a=2"]));
        assert_eq!(one, same);
        assert_ne!(one, other);
        let hash = |dsc: &DynamicSamplingContext| {
            let mut hasher = DefaultHasher::new();
            dsc.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&one), hash(&same));
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(format!("{other:?}"), r#"{"a": "2"}"#);
    }

    #[test]
    fn known_items_are_found_wherever_they_stand() {
        for (line, org_id, sample_rand) in [
            ("sentry-org_id=1,sentry-sample_rand=0.5", Some("1"), Some(0.5)),
            ("a=1 , sentry-org_id = 12 ;p , sentry-sample_rand=0.25;p", Some("12"), Some(0.25)),
            ("sentry-a=1,sentry-org_id=%31%32,sentry-a=10", Some("12"), None),
            ("sentry-org_id=1,sentry-a=1,sentry-org_id=200", Some("200"), None),
            (
                "sentry-a=100,sentry-org_id=1,sentry-a=1,sentry-sample_rand=0.5",
                Some("1"),
                Some(0.5),
            ),
            ("sentry-org_id=1,sentry-org_id=%zz", Some("1"), None),
            ("sentry-org_id=1,sentry-org_id=", None, None),
            ("xsentry-org_id=1,a=sentry-org_id=2,b=1;sentry-org_id=3", None, None),
            ("sentry-sample_rand=0.5,sentry-sample_rand=x", None, None),
        ] {
            let read = dsc(&[line]);
            assert_eq!(read.org_id().as_deref(), org_id, "{line}");
            assert_eq!(read.sample_rand().map(SampleRand::get), sample_rand, "{line}");
            let again = DynamicSamplingContext::from_items(read.as_baggage().clone());
            assert_eq!(again.org_id().as_deref(), org_id, "{line}");
            assert_eq!(again.sample_rand().map(SampleRand::get), sample_rand, "{line}");
        }
    }

    #[test]
    fn members_over_the_limit_replace_nothing() {
        let huge = format!("sentry-a=1,sentry-a=x{}x", "\"".repeat(4_000));
        assert_eq!(dsc(&[&huge]).as_str(), "sentry-a=1");
    }

    #[test]
    fn every_known_item_has_its_method() {
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
    fn malformed_items_read_as_absent() {
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
    fn items_are_set_in_place_or_appended() {
        let dsc = dsc(&["sentry-a=1,sentry-b=2"]);
        let with = |name, value| dsc.with(name, value).unwrap().to_string();
        assert_eq!(with("a", "x/y"), "sentry-a=x%2Fy,sentry-b=2");
        assert_eq!(with("c", "3"), "sentry-a=1,sentry-b=2,sentry-c=3");
    }

    #[test]
    fn items_that_do_not_fit_are_not_set() {
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
    fn serde_form_is_the_envelope_form() {
        let dsc = dsc(&["sentry-release=shop%401.4.0,sentry-sampled=true,sentry-custom-key=x"]);
        let json = serde_json::to_string(&dsc).unwrap();
        assert_eq!(json, r#"{"release":"shop@1.4.0","sampled":"true","custom-key":"x"}"#);
        assert_eq!(serde_json::from_str::<DynamicSamplingContext>(&json).unwrap(), dsc);
        let odd = r#"{"":"1","a b":"2","a":"3","a":"4"}"#;
        assert_eq!(
            serde_json::from_str::<DynamicSamplingContext>(odd).unwrap().as_str(),
            "sentry-a=4"
        );
        let error = serde_json::from_str::<DynamicSamplingContext>("7").unwrap_err().to_string();
        assert!(error.contains("expected a map of strings"), "{error}");
    }
}
