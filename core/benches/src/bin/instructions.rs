//! Does one side of a row a number of times, so that a profiler can count the instructions.
//!
//! `instructions` lists the rows as JSON; `instructions ROW ours|peer TIMES` does the work.

use std::env;
use std::process::ExitCode;

use tracehop_benches::{Fixture, ROWS};

/// Not inlined, so that the profiler finds it by its name.
#[inline(never)]
fn measured(work: fn(&mut Fixture), fixture: &mut Fixture, times: u32) {
    for _ in 0..times {
        work(fixture);
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => match serde_json::to_string(ROWS) {
            Ok(rows) => println!("{rows}"),
            Err(_) => return ExitCode::FAILURE,
        },
        [id, side, times] => {
            let row = ROWS.iter().find(|row| row.id == id);
            let (Some(row), Ok(times)) = (row, times.parse::<u32>()) else {
                return ExitCode::from(2);
            };
            let work = if side == "ours" { row.ours } else { row.theirs };
            let mut fixture = Fixture::default();
            // The first time sets up the thread's random numbers, and is not counted.
            work(&mut fixture);
            measured(work, &mut fixture, times);
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
