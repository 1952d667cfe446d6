//! Services with the library, called as an application calls it.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use anyhow::Result;
use fastrand::Rng;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracehop::{PropagationContext, Propagator, Target};

use crate::call::{Call, Carrier};
use crate::headers::Headers;

/// The application's own baggage in a request.
pub(crate) const OWN_BAGGAGE: &str = "mine=1;p";

/// A service with the library.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) index: usize,
    pub(crate) org_id: Option<u32>,
    pub(crate) is_strict: bool,
    pub(crate) rate: Option<f64>,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) reads_traceparent: bool,
    pub(crate) writes_traceparent: bool,
    /// The only zone whose services get headers; `None` means that all get them.
    pub(crate) zone: Option<&'static str>,
    propagator: Propagator,
}

/// How a sampler finds its rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sampler {
    /// Always this rate.
    Fixed(f64),
    /// The caller's rate, or else this one.
    Inherit(f64),
}

impl Ours {
    pub(crate) fn new(index: usize, rate: f64, random: &mut Rng) -> Result<Self> {
        let org_id = [Some(1), Some(1), Some(1), Some(1), Some(2), None][random.usize(..6)];
        let is_strict = random.u8(..5) == 0;
        let (rate, sampler) = match random.u8(..8) {
            0..4 => (Some(rate), None),
            4..6 => (None, None),
            6 => (Some(1.0), Some(Sampler::Fixed(rate))),
            _ => (None, Some(Sampler::Inherit(rate))),
        };
        let (reads_traceparent, writes_traceparent) = (random.bool(), random.bool());
        let zone = ["one", "two", "", "", "", "", "", ""][random.usize(..8)];
        let zone = Some(zone).filter(|zone| !zone.is_empty());

        let mut builder = Propagator::builder()
            .dsn(format!("https://key{index}@sentry.example/1"))
            .release(format!("s{index}@1.0"))
            .strict_trace_continuation(is_strict)
            .continue_traceparent(reads_traceparent)
            .propagate_traceparent(writes_traceparent);
        if let Some(id) = org_id {
            builder = builder.org_id(id);
        }
        if let Some(rate) = rate {
            builder = builder.traces_sample_rate(rate);
        }
        builder = match sampler {
            None => builder,
            Some(Sampler::Fixed(rate)) => builder.traces_sampler(move |_| rate),
            Some(Sampler::Inherit(rate)) => {
                builder.traces_sampler(move |context| context.inherit_or_sample_with(rate))
            }
        };
        if let Some(zone) = zone {
            let domain = Target::domain(format!("{zone}.example"));
            builder = builder.trace_propagation_targets([domain]);
        }
        let propagator = builder.build()?;
        Ok(Self {
            index,
            org_id,
            is_strict,
            rate,
            sampler,
            reads_traceparent,
            writes_traceparent,
            zone,
            propagator,
        })
    }

    /// Continues the trace of an incoming request.
    pub(crate) fn receive(&self, headers: &Headers, carrier: Carrier) -> PropagationContext {
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let context = match carrier {
            Carrier::HeaderMap => match header_map(headers) {
                Some(map) => self.propagator.continue_trace(&map),
                // No server accepts such a header.
                None => self.propagator.continue_trace(headers),
            },
            Carrier::Environment => {
                let mut command = Command::new("job");
                for (name, value) in pairs {
                    if let Some(name) = variable(name) {
                        // An environment has text, and our services write nothing else.
                        command.env(name, &*String::from_utf8_lossy(value));
                    }
                }
                self.propagator.continue_trace(&command)
            }
            Carrier::HashMap | Carrier::BTreeMap if has_a_name_twice(headers) => {
                self.propagator.continue_trace(headers)
            }
            Carrier::HashMap => self.propagator.continue_trace(&pairs.collect::<HashMap<_, _>>()),
            Carrier::BTreeMap => self.propagator.continue_trace(&pairs.collect::<BTreeMap<_, _>>()),
            Carrier::Pairs | Carrier::TraceData => self.propagator.continue_trace(headers),
        };
        context.set_transaction(format!("GET /s{}", self.index));
        context
    }
}

/// Returns the headers of an outgoing request.
pub(crate) fn send(context: &PropagationContext, url: &str, call: Call) -> Headers {
    let own = call.has_own_baggage.then_some(("baggage", OWN_BAGGAGE));
    match call.carrier {
        Carrier::Pairs => {
            let mut pairs: Vec<(String, String)> =
                own.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
            context.inject_to(url, &mut pairs);
            pairs.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
        }
        Carrier::HashMap => {
            let mut map: HashMap<String, Vec<u8>> =
                own.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
            context.inject_to(url, &mut map);
            map.into_iter().collect()
        }
        Carrier::BTreeMap => {
            let mut map: BTreeMap<String, Vec<u8>> =
                own.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
            context.inject_to(url, &mut map);
            map.into_iter().collect()
        }
        Carrier::HeaderMap => {
            let mut map = HeaderMap::new();
            if let Some((name, value)) = own {
                map.insert(name, HeaderValue::from_static(value));
            }
            context.inject_to(url, &mut map);
            let pairs = map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().into()));
            pairs.collect()
        }
        Carrier::Environment => {
            let mut command = Command::new("job");
            context.inject(&mut command);
            let pairs = command.get_envs().filter_map(|(name, value)| {
                let name = if name == "SENTRY_TRACE" { "sentry-trace" } else { "baggage" };
                Some((name.to_owned(), value?.as_encoded_bytes().to_owned()))
            });
            pairs.collect()
        }
        Carrier::TraceData => {
            let data = context.trace_data();
            data.iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
        }
    }
}

fn variable(name: &str) -> Option<&'static str> {
    match name {
        "sentry-trace" => Some("SENTRY_TRACE"),
        "baggage" => Some("SENTRY_BAGGAGE"),
        _ => None,
    }
}

fn header_map(headers: &Headers) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(map)
}

fn has_a_name_twice(headers: &Headers) -> bool {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}
