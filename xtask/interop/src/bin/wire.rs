//! Generates headers, and reads and rewrites them with tracehop.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufWriter, Write as _};

use clap::{Parser, Subcommand};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tracehop::wire::SentryTrace;
use tracehop::{DynamicSamplingContext, Propagator};

#[derive(Parser)]
#[command(about = "Headers, a line of JSON each")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print headers: well-formed, nearly well-formed and hostile ones
    Generate {
        /// The same seed gives the same headers
        #[arg(long)]
        seed: u64,
        /// The number of headers
        #[arg(long)]
        count: usize,
    },
    /// Read headers from stdin, and print their values
    Read,
}

/// A header. Its characters are its bytes, as the peers see them: Latin-1.
#[derive(Serialize, Deserialize)]
struct Header {
    name: Name,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    SentryTrace,
    Baggage,
}

/// The values of a header.
#[derive(Serialize)]
struct Reading {
    /// Values by their names.
    values: BTreeMap<String, String>,
    /// The header as this library writes it.
    written: String,
}

fn main() -> anyhow::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    match Arguments::parse().action {
        Action::Generate { seed, count } => {
            let mut random = Rng::with_seed(seed);
            for _ in 0..count {
                serde_json::to_writer(&mut output, &header(&mut random))?;
                writeln!(output)?;
            }
        }
        Action::Read => {
            let propagator = Propagator::builder().build()?;
            for line in io::stdin().lock().lines() {
                let header = serde_json::from_str(&line?)?;
                serde_json::to_writer(&mut output, &read(&propagator, &header)?)?;
                writeln!(output)?;
            }
        }
    }
    Ok(output.flush()?)
}

fn read(propagator: &Propagator, header: &Header) -> anyhow::Result<Reading> {
    let bytes: Vec<u8> = header.value.chars().map(u8::try_from).collect::<Result<_, _>>()?;
    Ok(match header.name {
        Name::SentryTrace => read_sentry_trace(&bytes),
        Name::Baggage => read_baggage(propagator, &bytes)?,
    })
}

fn read_sentry_trace(bytes: &[u8]) -> Reading {
    let Ok(read) = SentryTrace::parse(bytes) else {
        return Reading { values: BTreeMap::new(), written: String::new() };
    };
    let decision = read.sampled.map(|sampled| ("sampled", u8::from(sampled).to_string()));
    let ids = [("trace_id", read.trace_id.to_string()), ("span_id", read.span_id.to_string())];
    let values = ids.into_iter().chain(decision);
    Reading {
        values: values.map(|(name, value)| (name.to_owned(), value)).collect(),
        written: read.to_string(),
    }
}

fn read_baggage(propagator: &Propagator, bytes: &[u8]) -> anyhow::Result<Reading> {
    let read = DynamicSamplingContext::from_baggage([bytes]);
    agrees_when_continued(propagator, bytes, &read)?;
    let values = read.iter().map(|(name, value)| (name.to_owned(), value.into_owned()));
    Ok(Reading { values: values.collect(), written: read.to_string() })
}

/// Checks that a continued trace has the same items, unless they are about another trace. Only the random number may be
/// added or replaced.
fn agrees_when_continued(
    propagator: &Propagator,
    bytes: &[u8],
    read: &DynamicSamplingContext,
) -> anyhow::Result<()> {
    let trace_id = read.trace_id().map(|id| id.to_string());
    let trace_id = trace_id.unwrap_or_else(|| "4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
    let carrier: [(String, Vec<u8>); 2] = [
        ("sentry-trace".to_owned(), format!("{trace_id}-00f067aa0ba902b7-1").into_bytes()),
        ("baggage".to_owned(), bytes.to_vec()),
    ];
    let continued = propagator.continue_trace(&carrier[..]);
    // A trace id that cannot be read, such as zeros, names another trace.
    if continued.dsc_not_used().is_some() && read.trace_id().is_none() {
        anyhow::ensure!(
            continued.dsc().is_empty(),
            "items of another trace are used: {}",
            continued.dsc()
        );
        return Ok(());
    }
    let others = |dsc: &DynamicSamplingContext| {
        let items = dsc.iter().filter(|(name, _)| *name != "sample_rand");
        items.map(|(name, value)| (name.to_owned(), value.into_owned())).collect::<Vec<_>>()
    };
    anyhow::ensure!(
        others(continued.dsc()) == others(read),
        "continued from {}, the items are {} instead of {read}",
        bytes.escape_ascii(),
        continued.dsc(),
    );
    Ok(())
}

fn header(random: &mut Rng) -> Header {
    if random.bool() {
        Header { name: Name::Baggage, value: latin1(&baggage(random)) }
    } else {
        Header { name: Name::SentryTrace, value: latin1(&sentry_trace(random)) }
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Picks one of several values.
fn pick<'a, T: ?Sized>(random: &mut Rng, all: &[&'a T]) -> &'a T {
    all[random.usize(..all.len())]
}

fn hex(random: &mut Rng, digits: usize, upper: bool) -> String {
    let digit = |random: &mut Rng| random.digit(16);
    let text: String = (0..digits).map(|_| digit(random)).collect();
    if upper { text.to_uppercase() } else { text }
}

fn sentry_trace(random: &mut Rng) -> Vec<u8> {
    let trace_id = match random.u8(..20) {
        0 => "0".repeat(32),
        1 => hex(random, 31, false),
        2 => hex(random, 33, false),
        3 => hex(random, 32, true),
        4 => String::new(),
        _ => hex(random, 32, false),
    };
    let span_id = match random.u8(..20) {
        0 => "0".repeat(16),
        1 => hex(random, 15, false),
        2 => hex(random, 17, false),
        3 => hex(random, 16, true),
        4 => String::new(),
        _ => hex(random, 16, false),
    };
    let sampled =
        pick(random, &["-1", "-0", "", "-1", "-0", "-", "-2", "-d", "-01", "1", "-1-", "--1"]);
    let dash = pick(random, &["-", "-", "-", "-", "-", "-", "-", "", "--", "_"]);
    let (before, after) = match random.u8(..12) {
        0 => (" ", " "),
        1 => ("\t ", "\t"),
        2 => ("00-", "-00"),
        3 => ("", ", "),
        4 => ("\u{a0}", ""),
        _ => ("", ""),
    };
    let value = format!("{before}{trace_id}{dash}{span_id}{sampled}{after}");
    let mut bytes = value.chars().filter_map(|it| u8::try_from(it).ok()).collect();
    match random.u8(..20) {
        0 => mutate(random, &mut bytes),
        1 => {
            let again = [&bytes[..], b",", &bytes[..]].concat();
            bytes = again;
        }
        2 => bytes = pick(random, &["", "1", "-1", "0", "-", " ", "null"]).as_bytes().to_vec(),
        _ => {}
    }
    bytes
}

const NAMES: [&str; 14] = [
    "trace_id",
    "public_key",
    "sample_rate",
    "sample_rand",
    "sampled",
    "release",
    "environment",
    "transaction",
    "org_id",
    "replay_id",
    "user_segment",
    "custom",
    "a",
    "b",
];

fn baggage(random: &mut Rng) -> Vec<u8> {
    let count = match random.u8(..60) {
        0 => random.usize(60..80),
        1 => 0,
        _ => random.usize(1..8),
    };
    let mut list = Vec::new();
    for index in 0..count {
        if index > 0 {
            let comma = pick(random, &[",", ",", ",", ",", ", ", " , ", "\t,", ",,", ", ,"]);
            list.extend_from_slice(comma.as_bytes());
        }
        list.extend(member(random));
    }
    list
}

fn member(random: &mut Rng) -> Vec<u8> {
    let prefix = match random.u8(..24) {
        0 => "SENTRY-",
        1 => "Sentry-",
        2 => "sentry_",
        3 => "sentry%2D",
        4 => "%73entry-",
        5..10 => "",
        _ => "sentry-",
    };
    let name = match random.u8(..24) {
        0 => "".to_owned(),
        1 => "custom-key".to_owned(),
        2 => "a-b-c".to_owned(),
        3 => "-".to_owned(),
        4 => {
            pick(random, &["rele%61se", "a%20b", "a%3Db", "a%zz", "é", "a b", "a/b", "a(b)", "a:b"])
                .to_owned()
        }
        5 => pick(random, &["__proto__", "constructor", "toString", "0", "NaN"]).to_owned(),
        6 => pick(random, &NAMES).to_uppercase(),
        _ => pick(random, &NAMES).to_owned(),
    };
    let equals = pick(
        random,
        &["=", "=", "=", "=", "=", "=", "=", "=", "=", "=", " =", "= ", " = ", "\t=", "=="],
    );
    let value = value(random);
    let property = match random.u8(..16) {
        0 => pick(random, &[";p", ";p=1", "; p = 1 ;q", ";", ";=", ";p=%20", ";p=a b"]),
        _ => "",
    };
    let text = match random.u8(..48) {
        0 => prefix.to_owned() + &name,
        1 => equals.to_owned(),
        _ => format!("{prefix}{name}{equals}{value}{property}"),
    };
    let mut bytes = text.into_bytes();
    if random.u8(..40) == 0 {
        mutate(random, &mut bytes);
    }
    bytes.retain(|byte| *byte != b',');
    bytes
}

fn value(random: &mut Rng) -> String {
    match random.u8(..28) {
        0 => String::new(),
        1 => pick(
            random,
            &["%zz", "%", "%4", "a%", "%C3", "%C3%28", "%FF", "%ED%A0%80", "%F5%80%80%80"],
        )
        .to_owned(),
        2 => pick(
            random,
            &["%00", "%0A", "%0D%0A", "%7F", "%20", "%09", "%2C", "%3B", "%3D", "%22", "%5C"],
        )
        .to_owned(),
        3 => {
            pick(random, &["%c3%a9", "%C3%A9", "%E2%82%AC", "%F0%9F%98%80", "%e2%82%ac"]).to_owned()
        }
        4 => {
            pick(random, &["a/b", "GET%20%2Fusers%2F%7Bid%7D", "GET%20/users/{id}", "a+b", "a%2Bb"])
                .to_owned()
        }
        5 => pick(random, &["a b", "a\"b", "\"a\"", "a\\b", "a\tb", "é", "€"]).to_owned(),
        6 => pick(random, &["a=b", "YWJj==", "a=b=c", "="]).to_owned(),
        7 => pick(random, &["true", "false", "1", "0", "0.25", "1e-5", "0.123456", "null"])
            .to_owned(),
        8 => "x".repeat(random.usize(100..2_500)),
        9 => hex(random, 32, false),
        10 => pick(random, &["%41", "%e", "100%25", "%2525", "%252F"]).to_owned(),
        11 => pick(random, &["!#$&'()*+-./:<=>?@[]^_`{|}~", "a.b-c_d~e", "shop@1.4.0"]).to_owned(),
        _ => random.alphanumeric().to_string().repeat(random.usize(1..12)),
    }
}

/// Changes, adds or removes one byte. New bytes are those that HTTP allows.
fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    let byte = match random.u8(..8) {
        0 => b'\t',
        1 => random.u8(0x80..),
        _ => random.u8(0x20..0x7f),
    };
    let at = random.usize(..=bytes.len());
    match random.u8(..3) {
        0 if at < bytes.len() => bytes[at] = byte,
        1 if at < bytes.len() => drop(bytes.remove(at)),
        _ => bytes.insert(at, byte),
    }
}
