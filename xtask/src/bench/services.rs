//! Whole services under load: one that takes part in traces beside the same that does not, and beside one that does
//! the least that can be done.

mod caller;
mod spread;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use serde::Serialize;

use self::caller::{Caller, Turn, for_rest};
use self::spread::Spread;
use super::cores::Cores;
use crate::service::Service;

/// The share of the requests of a service without traces that one with traces must answer.
const THROUGHPUT: f64 = 0.98;

/// Bytes for each request by which a service that keeps nothing of it may grow: what the allocator does has an end,
/// and is nothing over so many.
const BYTES_A_REQUEST: f64 = 1.0;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Turns of every service.
    rounds: usize,
    /// Of one turn of one service.
    turn: Duration,
    /// Before anything is measured.
    warm_up: Duration,
    /// What the service with traces must answer at least while its memory is watched.
    requests: u64,
}

impl Load {
    pub(crate) const FULL: Self = Self {
        // Many short turns: whatever else the machine does meets all services then.
        rounds: 100,
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
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Framework {
    /// actix-web, and reqwest.
    Actix,
    /// axum, and hyper's client.
    Axum,
}

impl Framework {
    pub(crate) const ALL: [Self; 2] = [Self::Actix, Self::Axum];

    /// As the service takes it.
    fn name(self) -> &'static str {
        match self {
            Self::Actix => "actix",
            Self::Axum => "axum",
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Services {
    /// What the services are made with.
    framework: Framework,
    rounds: Vec<Round>,
    /// The service with traces answered so many while its memory was watched.
    requests: u64,
    resident_bytes_at_start: u64,
    resident_bytes_at_end: u64,
}

/// The same from every service.
#[derive(Debug, Clone, Copy, Serialize)]
struct Each<T> {
    /// That takes no part in traces.
    without: T,
    /// That hands both headers on as they came, with what the frameworks have for it: what any service must pay whose
    /// calls have these headers.
    by_hand: T,
    /// With both middlewares.
    with: T,
}

/// A turn of each service.
type Round = Each<Turn>;

/// Two services, of which one is measured by the other.
#[derive(Debug, Clone, Copy)]
struct Pair {
    what: &'static str,
    beside: &'static str,
    at_least: Option<f64>,
    turns: fn(&Round) -> [Turn; 2],
}

const PAIRS: [Pair; 3] = [
    Pair {
        what: "with traces",
        beside: "the same without",
        at_least: Some(THROUGHPUT),
        turns: |round| [round.with, round.without],
    },
    Pair {
        what: "that copies both headers by hand",
        beside: "the same without",
        at_least: None,
        turns: |round| [round.by_hand, round.without],
    },
    Pair {
        what: "with traces",
        beside: "one that copies both headers by hand",
        at_least: None,
        turns: |round| [round.with, round.by_hand],
    },
];

impl Services {
    /// Starts the services and puts load on them in turns, so that whatever else the machine does meets all of them.
    ///
    /// The service that is measured has a processor of its own, and the load and the service that is called share
    /// another, if there are two. Then it is the one that everything waits for, and what is lost is what it costs.
    pub(crate) fn measure(program: &Path, framework: Framework, load: Load) -> Result<Self> {
        let cores = Cores::find();
        let mut command = Command::new(program);
        command.arg("called");
        let called = for_rest(cores, || Service::start("called", command))?;
        let caller = |traced: &str| {
            let arguments =
                ["caller", called.url(), "--framework", framework.name(), "--traced", traced];
            Caller::start(program, &arguments, cores)
        };
        let mut callers =
            Each { without: caller("not")?, by_hand: caller("by-hand")?, with: caller("fully")? };
        eprintln!("warming the services up");
        for caller in [&mut callers.without, &mut callers.by_hand, &mut callers.with] {
            caller.answer(load.warm_up)?;
        }

        let resident_bytes_at_start = callers.with.resident_bytes()?;
        let mut requests = 0;
        let mut rounds = Vec::new();
        for number in 0..load.rounds {
            let (round, answered) = callers.round(number, load.turn)?;
            requests += answered;
            let figures = PAIRS.map(|pair| format!("{:.3}", pair.throughput(&round)));
            eprintln!("round {} of {}: {}", number + 1, load.rounds, figures.join(", "));
            rounds.push(round);
        }
        while requests < load.requests {
            eprintln!("{requests} of {} requests", load.requests);
            requests += callers.with.answer(load.warm_up)?.requests;
        }
        let resident_bytes_at_end = callers.with.resident_bytes()?;
        Ok(Self { framework, rounds, requests, resident_bytes_at_start, resident_bytes_at_end })
    }

    fn growth(&self) -> f64 {
        self.resident_bytes_at_end as f64 - self.resident_bytes_at_start as f64
    }

    fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            &format!("a service with {} that calls another", self.framework.name()),
            "beside",
            "throughput, at least",
            "median (quartiles)",
            "processor time a request",
        ]);
        for pair in PAIRS {
            table.add_row([
                pair.what.to_owned(),
                pair.beside.to_owned(),
                pair.at_least.map_or("-".to_owned(), |at_least| format!("{at_least:.2}")),
                self.spread(|round| pair.throughput(round)).to_string(),
                self.spread(|round| pair.processor_time(round)).to_string(),
            ]);
        }
        table
    }

    /// What became of the memory, a sentence.
    pub(crate) fn memory(&self) -> String {
        let (grown, limit) = (self.growth() / 1e3, self.requests as f64 * BYTES_A_REQUEST / 1e3);
        let (requests, name) = (self.requests, self.framework.name());
        format!(
            "with traces that with {name} grew by {grown:.0} kB of {limit:.0} kB over {requests} requests"
        )
    }

    /// What is worse than it should be, a sentence each.
    pub(crate) fn shortfalls(&self) -> Vec<String> {
        let (mut lines, name) = (Vec::new(), self.framework.name());
        for pair in PAIRS {
            let Pair { what, beside, at_least, .. } = pair;
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

impl Each<Caller> {
    /// A turn of each, and how many requests the one with traces answered in it.
    fn round(&mut self, number: usize, duration: Duration) -> Result<(Round, u64)> {
        let Self { without, by_hand, with } = self;
        let callers = [without, by_hand, with];
        // Whoever comes next finds the machine as the one before has left it.
        let mut order = [0, 1, 2];
        order.rotate_left(number % 3);
        if number % 2 == 1 {
            order.reverse();
        }
        let mut turns = [None; 3];
        for place in order {
            turns[place] = Some(callers[place].turn(duration)?);
        }
        let [Some((without, _)), Some((by_hand, _)), Some((with, answered))] = turns else {
            bail!("a service had no turn");
        };
        Ok((Round { without, by_hand, with }, answered.requests))
    }
}

impl Pair {
    fn throughput(self, round: &Round) -> f64 {
        let [one, other] = (self.turns)(round);
        one.requests_per_second / other.requests_per_second
    }

    /// What a request takes more.
    fn processor_time(self, round: &Round) -> f64 {
        let [one, other] = (self.turns)(round);
        one.processor_microseconds_per_request / other.processor_microseconds_per_request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(ratio: f64, grown: u64) -> Services {
        let turn = |requests_per_second| Turn {
            requests_per_second,
            processor_microseconds_per_request: 1e6 / requests_per_second,
        };
        let round =
            Round { with: turn(900.0), by_hand: turn(900.0 / ratio), without: turn(900.0 / ratio) };
        Services {
            framework: Framework::Axum,
            rounds: vec![round],
            requests: 1_000_000,
            resident_bytes_at_start: 8_000_000,
            resident_bytes_at_end: 8_000_000 + grown,
        }
    }

    #[test]
    fn lost_and_grown_items_are_named() {
        assert_eq!(services(0.985, 900_000).shortfalls(), [""; 0]);
        assert_eq!(
            services(0.9, 1_500_000).shortfalls(),
            [
                "throughput of a service with axum with traces, 0.900 instead of 0.98 of the same without",
                "memory of a service with axum with traces, which grew by 1500000 bytes over 1000000 requests"
            ]
        );
        let table = services(0.9, 1_500_000).table().to_string();
        assert!(table.contains("0.900") && table.contains("1.111"), "{table}");
        let memory = services(0.9, 1_500_000).memory();
        assert!(memory.contains("1500 kB of 1000 kB over 1000000 requests"), "{memory}");
    }
}
