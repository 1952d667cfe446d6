//! Whole services under load: one that takes part in traces beside the same that does not.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::wrk::Answered;
use crate::interrupt;
use crate::service::Service;

/// The share of the requests of a service without traces that one with traces must answer.
const THROUGHPUT: f64 = 0.98;

/// Bytes for each request by which a service that keeps nothing of it may grow: what the allocator does has an end,
/// and is nothing over so many.
const BYTES_A_REQUEST: f64 = 1.0;

/// What Linux counts the time of processes in, wherever it tells programs.
const TICKS_PER_SECOND: f64 = 100.0;

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
        rounds: 25,
        turn: Duration::from_secs(2),
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
    pub(crate) fn measure(program: &Path, load: Load) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("called");
        let called = Service::start("called", command)?;
        let caller = |options: &[&str]| {
            let arguments = [&["caller", called.url()], options].concat();
            Caller::start(program, &arguments)
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
                    "round {number} of {}: {:.3} of the throughput",
                    load.rounds,
                    round.ratio()
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

    /// The median of the rounds.
    fn throughput(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.ratio()))
    }

    /// The median of the processor time that a request takes more.
    fn processor_time(&self) -> f64 {
        median(self.rounds.iter().map(|Round { with, without }| {
            with.processor_microseconds_per_request / without.processor_microseconds_per_request
        }))
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
                "throughput of the same without, median of the rounds".to_owned(),
                format!("at least {THROUGHPUT:.2}"),
                format!("{:.3}", self.throughput()),
            ),
            (
                "processor time of the same without, a request".to_owned(),
                "-".to_owned(),
                format!("{:.3}", self.processor_time()),
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
        if self.throughput() < THROUGHPUT {
            lines.push(format!(
                "throughput of a service with traces, {:.3} instead of {THROUGHPUT:.2} of the same without",
                self.throughput()
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
    fn ratio(&self) -> f64 {
        self.with.requests_per_second / self.without.requests_per_second
    }
}

/// A service that calls another.
struct Caller {
    service: Service,
    headers: Vec<(String, String)>,
}

impl Caller {
    fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let output = Command::new(program).arg("headers").output();
        let output = output.context("cannot list the headers of a request")?;
        let mut headers: Vec<(String, String)> = serde_json::from_slice(&output.stdout)?;
        // That one is the client's own.
        headers.retain(|(name, _)| name != "host");
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(Self { service: Service::start("caller", command)?, headers })
    }

    fn answer(&mut self, duration: Duration) -> Result<Answered> {
        interrupt::check()?;
        let url = format!("{}/items/7", self.service.url());
        let answered = Answered::under_load(&url, &self.headers, duration);
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

    /// In seconds.
    fn processor_time(&mut self) -> Result<f64> {
        let ticks = processor_ticks(&self.read_system_file("stat")?)
            .context("cannot read the processor time of a service")?;
        Ok(ticks as f64 / TICKS_PER_SECOND)
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

/// The time in user mode and in the system, from the text that Linux has of a process.
fn processor_ticks(stat: &str) -> Option<u64> {
    // The second field is a name in parentheses, in which anything may be. The two times are the 14th and the 15th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        Some(upper) if values.len().is_multiple_of(2) => (values[middle - 1] + upper) / 2.0,
        Some(value) => *value,
        None => f64::NAN,
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
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1130 0 0 0 120 34 0 0 20 0 2 0 1 2 3";
        assert_eq!(processor_ticks(stat), Some(154));
        assert_eq!(processor_ticks("7 (a) S 1"), None);
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    7968 kB\n"), Some(8_159_232));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}
