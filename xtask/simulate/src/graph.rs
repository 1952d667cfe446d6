//! Random services, and the calls between them.

use std::collections::BTreeMap;

use anyhow::Result;
use fastrand::Rng;

use crate::call::{Call, Carrier};
use crate::ours::Ours;
use crate::strangers::{TRICKS, Trick};

/// The sampling rates of services. Many services have the same rate, so that their decisions can be compared.
const RATES: [f64; 8] = [0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0];

/// Random services, and the calls between them.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) seed: u64,
    pub(crate) services: Vec<Service>,
    /// Services grouped by their rate, if they decide by it and continue any trace without baggage.
    pub(crate) twins: Vec<(f64, Vec<usize>)>,
}

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) role: Role,
    /// The URL that other services call.
    pub(crate) url: String,
    pub(crate) calls: Vec<Call>,
}

/// What a service does with the headers of a request.
#[derive(Debug)]
pub(crate) enum Role {
    /// A service with the library, of any organisation.
    Ours(Box<Ours>),
    /// A service with an SDK older than the dynamic sampling context, which hands on only `sentry-trace`. At the head
    /// of a trace it makes this decision.
    OldSdk(Option<bool>),
    /// A service that reads and writes only `traceparent` and `tracestate`.
    OpenTelemetry,
    /// A service that hands on all headers, changed for the worse.
    Hostile(Trick),
}

impl Role {
    /// Returns the name for the summary.
    fn name(&self) -> &'static str {
        match self {
            Self::Ours(ours) if ours.org_id == Some(2) => "of another organisation",
            Self::Ours(_) => "ours",
            Self::OldSdk(_) => "with an old SDK",
            Self::OpenTelemetry => "with OpenTelemetry only",
            Self::Hostile(_) => "hostile",
        }
    }
}

impl Fleet {
    pub(crate) fn new(services: usize, seed: u64) -> Result<Self> {
        let mut random = Rng::with_seed(seed);
        let services = (0..services)
            .map(|index| service(index, services, &mut random))
            .collect::<Result<Vec<_>>>()?;
        let mut twins: Vec<(f64, Vec<usize>)> = RATES.map(|rate| (rate, Vec::new())).into();
        for (index, service) in services.iter().enumerate() {
            if let Role::Ours(ours) = &service.role
                && let (None, Some(rate), false) = (ours.sampler, ours.rate, ours.is_strict)
                && let Some((_, group)) = twins.iter_mut().find(|(known, _)| *known == rate)
            {
                group.push(index);
            }
        }
        twins.retain(|(_, group)| group.len() > 1);
        Ok(Self { seed, services, twins })
    }

    /// Counts the services of each role.
    pub(crate) fn summary(&self) -> String {
        let mut counts = BTreeMap::new();
        for service in &self.services {
            *counts.entry(service.role.name()).or_insert(0_usize) += 1;
        }
        let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

fn service(index: usize, services: usize, random: &mut Rng) -> Result<Service> {
    let role = match random.u8(..100) {
        0..65 => Role::Ours(Box::new(Ours::new(index, rate(random), random)?)),
        65..75 => Role::OldSdk([None, Some(false), Some(true)][random.usize(..3)]),
        75..85 => Role::OpenTelemetry,
        _ => Role::Hostile(TRICKS[random.usize(..TRICKS.len())]),
    };
    let call = |random: &mut Rng| Call {
        to: random.usize(..services),
        carrier: Carrier::ALL[random.usize(..Carrier::ALL.len())],
        has_own_baggage: random.u8(..4) == 0,
        is_child: random.bool(),
    };
    let calls = (0..random.usize(1..6)).map(|_| call(random)).collect();
    let zone = ["one", "two"][random.usize(..2)];
    Ok(Service { role, url: format!("https://s{index}.{zone}.example/work"), calls })
}

fn rate(random: &mut Rng) -> f64 {
    RATES[random.usize(..RATES.len())]
}
