//! Whole services under load: one that takes part in traces beside the same that does not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::cores::Cores;
use super::wrk::Answered;
use crate::interrupt;
use crate::service::Service;

/// The share of the requests of a service without traces that one with traces must answer.
const THROUGHPUT: f64 = 0.98;

/// Bytes for each request by which a service that keeps nothing of it may grow: what the allocator does has an end,
/// and is nothing over so many.
const BYTES_A_REQUEST: f64 = 1.0;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Turns of both services.
    rounds: u32,
    /// Of one turn of one service.
    turn: Duration,
    /// Before anything is measured.
    warm_up: Duration,
    /// What the service with traces must answer at least while its memory is watched.
    requests: u64,
}

impl Load {
    pub(crate) const FULL: Self = Self {
        // Many short turns: whatever else the machine does meets both services then.
        rounds: 50,
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

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Services {
    rounds: Vec<Round>,
    /// The service with traces answered so many while its memory was watched.
    requests: u64,
    resident_bytes_at_start: u64,
    resident_bytes_at_end: u64,
}

/// A turn of each service.
#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    with: Turn,
    without: Turn,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Turn {
    requests_per_second: f64,
    /// Of the service alone, on all processors, in the system as well.
    processor_microseconds_per_request: f64,
}

impl Services {
    /// Starts the services and puts load on them in turns, so that whatever else the machine does meets both.
    ///
    /// The service that is measured has a processor of its own, and the load and the service that is called share
    /// another, if there are two. Then it is the one that everything waits for, and what is lost is what it costs.
    pub(crate) fn measure(program: &Path, load: Load) -> Result<Self> {
        let cores = Cores::find();
        let mut command = Command::new(program);
        command.arg("called");
        let called = for_rest(cores, || Service::start("called", command))?;
        let caller = |options: &[&str]| {
            let arguments = [&["caller", called.url()], options].concat();
            Caller::start(program, &arguments, cores)
        };
        let (mut with, mut without) = (caller(&["--traced"])?, caller(&[])?);
        eprintln!("warming the services up");
        for caller in [&mut with, &mut without] {
            caller.answer(load.warm_up)?;
        }

        let resident_bytes_at_start = with.resident_bytes()?;
        let mut requests = 0;
        let mut rounds = Vec::new();
        for number in 1..=load.rounds {
            // Whoever is second finds the machine as the first has left it.
            let (first, second) = if number % 2 == 0 { (true, false) } else { (false, true) };
            let mut turns = [None; 2];
            for is_with in [first, second] {
                let caller = if is_with { &mut with } else { &mut without };
                let (turn, answered) = caller.turn(load.turn)?;
                requests += if is_with { answered.requests } else { 0 };
                turns[usize::from(is_with)] = Some(turn);
            }
            if let [Some(without), Some(with)] = turns {
                let round = Round { with, without };
                eprintln!(
                    "round {number} of {}: {:.3} of the throughput, {:.3} of the processor time",
                    load.rounds,
                    round.throughput(),
                    round.processor_time()
                );
                rounds.push(round);
            }
        }
        while requests < load.requests {
            eprintln!("{requests} of {} requests", load.requests);
            requests += with.answer(load.warm_up)?.requests;
        }
        let resident_bytes_at_end = with.resident_bytes()?;
        Ok(Self { rounds, requests, resident_bytes_at_start, resident_bytes_at_end })
    }

    fn throughput(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|round| round.throughput()))
    }

    fn processor_time(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|round| round.processor_time()))
    }

    fn growth(&self) -> f64 {
        self.resident_bytes_at_end as f64 - self.resident_bytes_at_start as f64
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["a service that calls another, with traces", "mark", "measured"]);
        let requests = self.requests;
        for (what, mark, measured) in [
            (
                "throughput of the same without, median (quartiles)".to_owned(),
                format!("at least {THROUGHPUT:.2}"),
                self.throughput().to_string(),
            ),
            (
                "processor time of the same without, a request, median (quartiles)".to_owned(),
                "-".to_owned(),
                self.processor_time().to_string(),
            ),
            (
                format!("growth of memory over {requests} requests"),
                format!("below {:.0} kB", requests as f64 * BYTES_A_REQUEST / 1e3),
                format!("{:.0} kB", self.growth() / 1e3),
            ),
        ] {
            table.add_row([what, mark, measured]);
        }
        table
    }

    /// What is worse than it should be, a sentence each.
    pub(crate) fn shortfalls(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let throughput = self.throughput().median;
        if throughput < THROUGHPUT {
            lines.push(format!(
                "throughput of a service with traces, {throughput:.3} instead of {THROUGHPUT:.2} of the same without"
            ));
        }
        if self.growth() >= self.requests as f64 * BYTES_A_REQUEST {
            lines.push(format!(
                "memory of a service with traces, which grew by {:.0} bytes over {} requests",
                self.growth(),
                self.requests
            ));
        }
        lines
    }
}

impl Round {
    fn throughput(&self) -> f64 {
        self.with.requests_per_second / self.without.requests_per_second
    }

    /// What a request takes more.
    fn processor_time(&self) -> f64 {
        self.with.processor_microseconds_per_request
            / self.without.processor_microseconds_per_request
    }
}

/// What the rounds say: half of them are from the one quartile to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    lower_quartile: f64,
    median: f64,
    upper_quartile: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (lower, upper) = (values.len() / 2, values.len().div_ceil(2));
        Self {
            lower_quartile: middle(&values[..upper]),
            median: middle(&values),
            upper_quartile: middle(&values[lower..]),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lower_quartile, median, upper_quartile } = self;
        write!(f, "{median:.3} ({lower_quartile:.3} to {upper_quartile:.3})")
    }
}

/// Of values in order.
fn middle(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    match values.get(middle) {
        Some(upper) if values.len().is_multiple_of(2) => (values[middle - 1] + upper) / 2.0,
        Some(value) => *value,
        None => f64::NAN,
    }
}

/// Starts what is not measured.
fn for_rest<R>(cores: Option<Cores>, start: impl FnOnce() -> Result<R>) -> Result<R> {
    match cores {
        Some(cores) => cores.for_rest(start)?,
        None => start(),
    }
}

/// A service that calls another.
struct Caller {
    service: Service,
    headers: Vec<(String, String)>,
    cores: Option<Cores>,
}

impl Caller {
    fn start(program: &Path, arguments: &[&str], cores: Option<Cores>) -> Result<Self> {
        let output = Command::new(program).arg("headers").output();
        let output = output.context("cannot list the headers of a request")?;
        let mut headers: Vec<(String, String)> = serde_json::from_slice(&output.stdout)?;
        // That one is the client's own.
        headers.retain(|(name, _)| name != "host");
        let mut command = Command::new(program);
        command.args(arguments);
        let start = || Service::start("caller", command);
        let service = match cores {
            Some(cores) => cores.for_measured(start)??,
            None => start()?,
        };
        Ok(Self { service, headers, cores })
    }

    fn answer(&mut self, duration: Duration) -> Result<Answered> {
        interrupt::check()?;
        let url = format!("{}/items/7", self.service.url());
        let load = || Answered::under_load(&url, &self.headers, duration);
        let answered = for_rest(self.cores, load);
        self.service.process().ensure_running()?;
        answered
    }

    fn turn(&mut self, duration: Duration) -> Result<(Turn, Answered)> {
        let before = self.processor_time()?;
        let answered = self.answer(duration)?;
        let time = self.processor_time()? - before;
        let turn = Turn {
            requests_per_second: answered.per_second,
            processor_microseconds_per_request: time * 1e6 / answered.requests as f64,
        };
        Ok((turn, answered))
    }

    /// In seconds, of all threads.
    fn processor_time(&mut self) -> Result<f64> {
        let threads = format!("/proc/{}/task", self.service.process().id());
        let mut nanoseconds = 0;
        for thread in fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))? {
            let file = thread?.path().join("schedstat");
            let text = fs::read_to_string(&file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            nanoseconds += time_on_processor(&text)
                .with_context(|| format!("cannot read a time in {}", file.display()))?;
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    fn resident_bytes(&mut self) -> Result<u64> {
        let status = self.read_system_file("status")?;
        resident_bytes(&status).context("cannot read the memory of a service")
    }

    fn read_system_file(&mut self, name: &str) -> Result<String> {
        if !cfg!(target_os = "linux") {
            bail!("the memory of services is measured on Linux only");
        }
        let file = format!("/proc/{}/{name}", self.service.process().id());
        fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))
    }
}

/// The time of a thread in user mode and in the system, in nanoseconds, from the text that Linux has of it.
fn time_on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(ratio: f64, grown: u64) -> Services {
        let turn = |requests_per_second| Turn {
            requests_per_second,
            processor_microseconds_per_request: 1e6 / requests_per_second,
        };
        Services {
            rounds: vec![Round { with: turn(1_000.0 * ratio), without: turn(1_000.0) }],
            requests: 1_000_000,
            resident_bytes_at_start: 8_000_000,
            resident_bytes_at_end: 8_000_000 + grown,
        }
    }

    #[test]
    fn what_is_lost_and_what_grows_is_named() {
        assert_eq!(services(0.985, 900_000).shortfalls(), [""; 0]);
        assert_eq!(
            services(0.9, 1_500_000).shortfalls(),
            [
                "throughput of a service with traces, 0.900 instead of 0.98 of the same without",
                "memory of a service with traces, which grew by 1500000 bytes over 1000000 requests"
            ]
        );
        let table = services(0.9, 1_500_000).table().to_string();
        assert!(table.contains("0.900") && table.contains("1500 kB"), "{table}");
    }

    #[test]
    fn what_linux_says_of_a_process_is_read() {
        assert_eq!(time_on_processor("1234567890 42 7\n"), Some(1_234_567_890));
        assert_eq!(time_on_processor(""), None);
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    7968 kB\n"), Some(8_159_232));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
    }

    #[test]
    fn half_of_the_rounds_are_between_the_quartiles() {
        for (values, expected) in [
            (&[3.0, 1.0, 2.0][..], [1.5, 2.0, 2.5]),
            (&[4.0, 1.0, 2.0, 3.0], [1.5, 2.5, 3.5]),
            (&[5.0], [5.0, 5.0, 5.0]),
        ] {
            let spread = Spread::of(values.iter().copied());
            let Spread { lower_quartile, median, upper_quartile } = spread;
            assert_eq!([lower_quartile, median, upper_quartile], expected);
        }
        assert!(Spread::of(std::iter::empty()).median.is_nan());
        assert_eq!(Spread::of([1.0, 2.0].into_iter()).to_string(), "1.500 (1.000 to 2.000)");
    }
}
