//! Whole services under load: one with traces beside the same without them, beside one that copies both headers by
//! hand, and beside services with other libraries.

mod caller;
mod spread;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use comfy_table::{Table, presets};

use self::caller::{Caller, Turn};
use self::spread::Spread;
use super::cores;
use super::list;
use crate::service::Service;

/// The least throughput of a service with traces, as a share of the throughput of one without traces, or of one that
/// copies both headers by hand.
const THROUGHPUT: f64 = 0.98;

/// The bytes for each request by which a service's memory may grow. The allocator's own growth ends, and is less than
/// this over a million requests.
const BYTES_A_REQUEST: f64 = 1.0;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The number of turns of each service.
    rounds: usize,
    /// The duration of one turn of one service.
    turn: Duration,
    /// The duration of the load on each service before anything is measured.
    warm_up: Duration,
    /// The number of requests that the service with traces answers at least while its memory is watched.
    requests: u64,
}

impl Load {
    pub(crate) const FULL: Self = Self {
        // Many short turns: other work of the machine then slows all services alike.
        rounds: 60,
        turn: Duration::from_secs(1),
        warm_up: Duration::from_secs(10),
        requests: 1_000_000,
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 2,
        turn: Duration::from_secs(1),
        warm_up: Duration::from_secs(1),
        requests: 0,
    };
}

/// What a service is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framework {
    /// actix-web, and reqwest.
    Actix,
    /// axum, and hyper's client.
    Axum,
}

impl Framework {
    pub(crate) const ALL: [Self; 2] = [Self::Actix, Self::Axum];

    /// The value of the service's option `--framework`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Actix => "actix",
            Self::Axum => "axum",
        }
    }

    fn pairs(self) -> &'static [Pair] {
        match self {
            Self::Actix => &ACTIX_PAIRS,
            Self::Axum => &AXUM_PAIRS,
        }
    }

    /// Each service once, by its value of `--traced`. The first is the one with traces, whose memory is watched.
    fn traced(self) -> Vec<&'static str> {
        let sides = self.pairs().iter().flat_map(|pair| [pair.one, pair.other]);
        let mut traced = Vec::new();
        for side in sides {
            if !traced.contains(&side.traced) {
                traced.push(side.traced);
            }
        }
        traced
    }
}

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    /// What the services are made with.
    framework: Framework,
    rounds: Vec<Round>,
    /// The number of requests that the service with traces answered while its memory was watched.
    requests: u64,
    resident_bytes_at_start: u64,
    resident_bytes_at_end: u64,
}

/// A turn of each service, by its value of `--traced`.
type Round = BTreeMap<&'static str, Turn>;

/// A service.
#[derive(Debug, Clone, Copy)]
struct Side {
    what: &'static str,
    /// The value of the service's option `--traced`.
    traced: &'static str,
}

/// Two services: the figures of `one` are in multiples of those of `other`.
#[derive(Debug, Clone, Copy)]
struct Pair {
    one: Side,
    other: Side,
    at_least: Option<f64>,
}

/// Reads and sends no trace.
const WITHOUT: Side = Side { what: "the same without", traced: "not" };

/// Copies both headers with the frameworks' own functions: the least cost of a service whose calls have these headers.
const BY_HAND: Side = Side { what: "one that copies both headers by hand", traced: "by-hand" };

/// Uses both middlewares, or both layers.
const WITH: Side = Side { what: "with traces", traced: "fully" };

/// The same, and Sentry's SDK.
const RECORDED: Side = Side { what: "with traces and the SDK", traced: "recorded" };

const SENTRY_ACTIX: Side = Side { what: "sentry-actix, and a span by hand", traced: "sdk" };

const SENTRY_TOWER: Side = Side { what: "sentry-tower, and a span by hand", traced: "sdk" };

const OPENTELEMETRY: Side =
    Side { what: "axum-tracing-opentelemetry, without an exporter", traced: "opentelemetry" };

const TRACING_ACTIX_WEB: Side = Side {
    what: "tracing-actix-web and reqwest-tracing with OpenTelemetry, without an exporter",
    traced: "opentelemetry",
};

const ACTIX_PAIRS: [Pair; 5] = [
    Pair { one: WITH, other: WITHOUT, at_least: Some(THROUGHPUT) },
    Pair { one: BY_HAND, other: WITHOUT, at_least: None },
    Pair { one: WITH, other: BY_HAND, at_least: Some(THROUGHPUT) },
    Pair { one: WITH, other: TRACING_ACTIX_WEB, at_least: Some(2.0) },
    Pair { one: RECORDED, other: SENTRY_ACTIX, at_least: None },
];

const AXUM_PAIRS: [Pair; 5] = [
    Pair { one: WITH, other: WITHOUT, at_least: Some(THROUGHPUT) },
    Pair { one: BY_HAND, other: WITHOUT, at_least: None },
    Pair { one: WITH, other: BY_HAND, at_least: Some(THROUGHPUT) },
    Pair { one: WITH, other: OPENTELEMETRY, at_least: None },
    Pair { one: RECORDED, other: SENTRY_TOWER, at_least: None },
];

impl Services {
    /// Starts the services and puts load on them in turns, so that other work of the machine slows all of them alike.
    ///
    /// If there are two processors, the service that is measured has one of its own. The load and the service that is
    /// called share the other. The measured service is then the bottleneck, and the loss of throughput is its cost.
    pub(crate) fn measure(program: &Path, framework: Framework, load: Load) -> Result<Self> {
        let mut command = cores::on(cores::REST, program);
        command.arg("called");
        let called = Service::start("called", command)?;
        let caller = |traced: &str| {
            let arguments =
                ["caller", called.url(), "--framework", framework.name(), "--traced", traced];
            Caller::start(program, &arguments)
        };
        let mut callers = framework
            .traced()
            .into_iter()
            .map(|traced| Ok((traced, caller(traced)?)))
            .collect::<Result<Vec<_>>>()?;
        eprintln!("warming the services up");
        for (_, caller) in &mut callers {
            caller.answer(load.warm_up)?;
        }

        let resident_bytes_at_start = callers[0].1.resident_bytes()?;
        let mut requests = 0;
        let mut rounds = Vec::new();
        for number in 0..load.rounds {
            let round = round(&mut callers, number, load.turn)?;
            requests += round[WITH.traced].requests;
            let figures = framework.pairs().iter();
            let figures = figures.map(|pair| format!("{:.3}", pair.throughput(&round)));
            let figures = figures.collect::<Vec<_>>().join(", ");
            eprintln!("round {} of {}: {figures}", number + 1, load.rounds);
            rounds.push(round);
        }
        while requests < load.requests {
            eprintln!("{requests} of {} requests", load.requests);
            requests += callers[0].1.answer(load.warm_up)?.requests;
        }
        let resident_bytes_at_end = callers[0].1.resident_bytes()?;
        Ok(Self { framework, rounds, requests, resident_bytes_at_start, resident_bytes_at_end })
    }

    fn growth(&self) -> f64 {
        self.resident_bytes_at_end as f64 - self.resident_bytes_at_start as f64
    }

    fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            &format!("a service with {} that calls another", self.framework.name()),
            "beside",
            "throughput, at least",
            "median (quartiles)",
            "processor time a request",
        ]);
        for pair in self.framework.pairs() {
            table.add_row([
                pair.one.what.to_owned(),
                pair.other.what.to_owned(),
                pair.at_least.map_or("-".to_owned(), |at_least| format!("{at_least:.2}")),
                self.spread(|round| pair.throughput(round)).to_string(),
                self.spread(|round| pair.processor_time(round)).to_string(),
            ]);
        }
        table
    }

    /// Returns a sentence about the growth of the memory.
    fn memory(&self) -> String {
        let (grown, limit) = (self.growth() / 1e3, self.requests as f64 * BYTES_A_REQUEST / 1e3);
        let (requests, name) = (self.requests, self.framework.name());
        format!(
            "The memory of the service with {name} and traces grew by {grown:.0} kB over {requests} requests, at most {limit:.0} kB"
        )
    }

    /// Returns a sentence for each target that is missed.
    fn shortfalls(&self) -> Vec<String> {
        let (mut lines, name) = (Vec::new(), self.framework.name());
        for pair in self.framework.pairs() {
            let Pair { one, other, at_least } = *pair;
            let (what, beside) = (one.what, other.what);
            let throughput = self.spread(|round| pair.throughput(round)).median;
            if let Some(at_least) = at_least.filter(|at_least| throughput < *at_least) {
                lines.push(format!(
                    "throughput of a service with {name} {what}, {throughput:.3} instead of {at_least:.2} of {beside}"
                ));
            }
        }
        if self.growth() >= self.requests as f64 * BYTES_A_REQUEST {
            lines.push(format!(
                "memory of a service with {name} with traces, which grew by {:.0} bytes over {} requests",
                self.growth(),
                self.requests
            ));
        }
        lines
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}.\n{}\n", self.table(), self.memory(), list(self.shortfalls()))
    }
}

/// Runs a turn of each service. Every round has another order: what one service leaves in the machine's caches and
/// clock rate then affects all others alike.
fn round(
    callers: &mut [(&'static str, Caller)],
    number: usize,
    duration: Duration,
) -> Result<Round> {
    let mut order: Vec<_> = (0..callers.len()).collect();
    order.rotate_left(number % callers.len());
    if number % 2 == 1 {
        order.reverse();
    }
    let turns = order.into_iter().map(|place| {
        let (traced, caller) = &mut callers[place];
        Ok((*traced, caller.turn(duration)?))
    });
    turns.collect()
}

impl Pair {
    /// Returns the turns of both: every round has them.
    fn turns(self, round: &Round) -> [Turn; 2] {
        [round[self.one.traced], round[self.other.traced]]
    }

    fn throughput(self, round: &Round) -> f64 {
        let [one, other] = self.turns(round);
        one.requests_per_second / other.requests_per_second
    }

    /// The processor time of a request of `one`, in multiples of that of `other`.
    fn processor_time(self, round: &Round) -> f64 {
        let [one, other] = self.turns(round);
        one.processor_microseconds_per_request / other.processor_microseconds_per_request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(ratio: f64, grown: u64) -> Services {
        let turn = |requests_per_second| Turn {
            requests: 0,
            requests_per_second,
            processor_microseconds_per_request: 1e6 / requests_per_second,
        };
        let of = |traced| turn(if traced == WITH.traced { 900.0 } else { 900.0 / ratio });
        let round = Framework::Axum.traced().into_iter().map(|it| (it, of(it))).collect();
        Services {
            framework: Framework::Axum,
            rounds: vec![round],
            requests: 1_000_000,
            resident_bytes_at_start: 8_000_000,
            resident_bytes_at_end: 8_000_000 + grown,
        }
    }

    #[test]
    fn each_service_runs_once_and_the_first_has_traces() {
        let each = ["fully", "not", "by-hand", "opentelemetry", "recorded", "sdk"];
        assert_eq!(Framework::Actix.traced(), each);
        assert_eq!(Framework::Axum.traced(), each);
    }

    #[test]
    fn lost_throughput_and_grown_memory_are_named() {
        assert_eq!(services(0.985, 900_000).shortfalls(), [""; 0]);
        assert_eq!(
            services(0.9, 1_500_000).shortfalls(),
            [
                "throughput of a service with axum with traces, 0.900 instead of 0.98 of the same without",
                "throughput of a service with axum with traces, 0.900 instead of 0.98 of one that copies both headers by hand",
                "memory of a service with axum with traces, which grew by 1500000 bytes over 1000000 requests"
            ]
        );
        let table = services(0.9, 1_500_000).table().to_string();
        assert!(table.contains("0.900") && table.contains("1.111"), "{table}");
        let memory = services(0.9, 1_500_000).memory();
        assert!(memory.contains("1500 kB over 1000000 requests, at most 1000 kB"), "{memory}");
    }
}
