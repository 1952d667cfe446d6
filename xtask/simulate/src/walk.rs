//! Sends one trace through the fleet, and checks each hop.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use tracehop::{PropagationContext, SpanId};

use crate::call::{Call, Carrier};
use crate::graph::{Fleet, Role, Service};
use crate::headers::{Headers, lines, shown};
use crate::oracle::{self, Arrival, Decision, Rand};
use crate::ours::{self, Ours, Sampler};
use crate::report::Report;
use crate::strangers::{self, Fresh};
use crate::told::{Line, Parent, Told};

/// The largest number of services in a chain.
const MAX_DEPTH: usize = 10;

/// The largest number of services that a trace reaches.
const MAX_HOPS: usize = 40;

/// Sends a trace through the fleet, and checks every hop.
pub(crate) fn send(fleet: &Fleet, trace: u64, report: &mut Report) -> Result<()> {
    let seed = fleet.seed ^ trace.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = Rng::with_seed(seed);
    let service = random.usize(..fleet.services.len());
    let told = first(&mut random);
    let carrier = Carrier::Pairs;
    let call = Call { to: service, carrier, has_own_baggage: false, is_child: false };
    let request = Request { headers: oracle::headers(call, &told), told, service, carrier };
    let mut walk = Walk {
        fleet,
        random,
        report,
        trace_ids: HashSet::new(),
        span_ids: HashSet::new(),
        rands: HashMap::new(),
        counted: HashSet::new(),
        hops: 0,
    };
    walk.report.traces += 1;
    walk.visit(&request, 0)?;
    walk.twins_decide_alike()
}

/// Returns what a client outside of the fleet sends: no trace, or the trace of a browser or of OpenTelemetry.
fn first(random: &mut Rng) -> Told {
    let mut told = Told::default();
    let Fresh { trace_id, span_id } = Fresh::new(random);
    let parent = |sampled| Parent { trace_id: trace_id.clone(), span_id, sampled };
    let rand = f64::from(random.u32(..1_000_000)) / 1_000_000.0;
    match random.u8(..6) {
        0 => {
            told.put("trace_id", &trace_id);
            told.put("sample_rate", "0.5");
            told.put("sample_rand", &format!("{rand:.6}"));
            told.put("sampled", &(rand < 0.5).to_string());
            told.put("public_key", "browser");
            told.put("org_id", "1");
            told.sentry_trace = Line::One(parent(Some(rand < 0.5)));
        }
        1 => {
            told.put("trace_id", &trace_id);
            told.put("sample_rand", &format!("{rand:.6}"));
            told.put("replay_id", "r%201;p");
            told.sentry_trace = Line::One(parent(None));
        }
        2 => told.sentry_trace = Line::One(parent(None)),
        3 => told.traceparent = Some(parent(Some(true))),
        _ => {}
    }
    told
}

/// A request on its way to a service.
struct Request {
    headers: Headers,
    told: Told,
    service: usize,
    carrier: Carrier,
}

struct Walk<'a> {
    fleet: &'a Fleet,
    random: Rng,
    report: &'a mut Report,
    /// All trace ids so far.
    trace_ids: HashSet<String>,
    /// All span ids of services with the library.
    span_ids: HashSet<SpanId>,
    /// The random number drawn for a trace id, and for the decision and rate that it must agree with.
    rands: HashMap<(String, Option<(bool, u64)>), f64>,
    /// The traces and rates whose decisions are counted. Another service with the same rate makes the same decision.
    counted: HashSet<(String, u64)>,
    hops: usize,
}

impl Walk<'_> {
    fn visit(&mut self, request: &Request, depth: usize) -> Result<()> {
        if depth == MAX_DEPTH || self.hops == MAX_HOPS {
            return Ok(());
        }
        self.hops += 1;
        let service = &self.fleet.services[request.service];
        let what = || {
            let Request { service: index, carrier, headers, told } = request;
            let shown = shown(headers);
            let role = &service.role;
            format!(
                "at service {index} by {carrier:?}\n  {role:?}\n  {told:?}\n  received{shown}\n"
            )
        };
        let requests = match &service.role {
            Role::Ours(ours) => self.visit_ours(ours, service, request).with_context(what)?,
            role => self.visit_stranger(role, service, request),
        };
        for request in requests {
            self.visit(&request, depth + 1)?;
        }
        Ok(())
    }

    /// Chooses the calls that a service makes while it serves one request.
    fn calls(&mut self, service: &Service) -> Vec<Call> {
        let count = self.random.usize(..=service.calls.len().min(3));
        self.random.choose_multiple(service.calls.iter().copied(), count)
    }

    fn visit_stranger(
        &mut self,
        role: &Role,
        service: &Service,
        request: &Request,
    ) -> Vec<Request> {
        let Request { headers, told, .. } = request;
        let fresh = Fresh::new(&mut self.random);
        let mut requests = Vec::new();
        for call in self.calls(service) {
            let (headers, told) = match role {
                Role::OldSdk(decision) => (
                    strangers::old_sdk(headers, *decision, &fresh),
                    told.by_old_sdk(*decision, &fresh),
                ),
                Role::OpenTelemetry => (
                    strangers::open_telemetry(headers, request.service, &fresh),
                    told.by_open_telemetry(request.service, &fresh),
                ),
                Role::Hostile(trick) => (
                    strangers::hostile(headers, *trick, &fresh, &mut self.random),
                    told.by_hostile(*trick, &fresh),
                ),
                Role::Ours(_) => continue,
            };
            // An environment cannot hold what these services send.
            let carrier = match call.carrier {
                Carrier::Environment => Carrier::Pairs,
                carrier => carrier,
            };
            requests.push(Request { headers, told, service: call.to, carrier });
        }
        requests
    }

    fn visit_ours(
        &mut self,
        ours: &Ours,
        service: &Service,
        request: &Request,
    ) -> Result<Vec<Request>> {
        let start = Instant::now();
        let context = ours.receive(&request.headers, request.carrier);
        self.report.reading.add(start.elapsed());

        let arrival = Arrival::new(ours, &request.told);
        self.is_the_trace_it_must_be(&context, &arrival)?;
        let (rand, decision) = self.decides_as_it_must(ours, &context, &arrival)?;

        let mut requests = Vec::new();
        for call in self.calls(service) {
            let url = &self.fleet.services[call.to].url;
            let start = Instant::now();
            let span = if call.is_child { context.child() } else { context.clone() };
            let mut headers = ours::send(&span, url, call);
            self.report.writing.add(start.elapsed());
            headers.sort();
            let is_new = !call.is_child || self.span_ids.insert(span.span_id());
            ensure!(is_new, "the span id {} is not new", span.span_id());

            let own = Parent {
                trace_id: context.trace_id().to_string(),
                span_id: span.span_id().to_string(),
                sampled: decision.sampled,
            };
            let told = arrival.departure(ours, &own, rand, decision);
            agrees_with_itself(&told).with_context(|| format!("{told:?}"))?;
            ensure!(
                context.dsc().as_str() == told.baggage(),
                "the dynamic sampling context is {}, and must be {}",
                context.dsc(),
                told.baggage()
            );
            let told = oracle::told_in(call, url, ours, &told);
            let expected = oracle::headers(call, &told);
            let sent = || format!("sent{}\n  and must send{}", shown(&headers), shown(&expected));
            ensure!(headers == expected, sent());
            is_within_limits(&headers).with_context(sent)?;
            self.report.count_headers(&headers);
            requests.push(Request { headers, told, service: call.to, carrier: call.carrier });
        }
        Ok(requests)
    }

    fn is_the_trace_it_must_be(
        &mut self,
        context: &PropagationContext,
        arrival: &Arrival,
    ) -> Result<()> {
        let trace_id = context.trace_id().to_string();
        let why = context.not_continued();
        match &arrival.parent {
            Some(parent) => {
                ensure!(why.is_none(), "the trace must be continued, and is not: {why:?}");
                ensure!(trace_id == parent.trace_id, "the context is in another trace, {trace_id}");
                let span_id = context.parent_span_id().map(|id| id.to_string());
                ensure!(
                    span_id.as_ref() == Some(&parent.span_id),
                    "the parent span is {span_id:?}"
                );
                self.report.continued += 1;
            }
            None => {
                ensure!(why.is_some(), "a new trace must start, and {trace_id} is continued");
                ensure!(context.parent_span_id().is_none(), "a new trace has no parent");
                let is_new = !self.trace_ids.contains(&trace_id);
                ensure!(is_new, "the id of the new trace is not new: {trace_id}");
                self.report.started += 1;
            }
        }
        self.trace_ids.insert(trace_id);
        let is_new = self.span_ids.insert(context.span_id());
        ensure!(is_new, "the span id {} is not new", context.span_id());
        Ok(())
    }

    fn decides_as_it_must(
        &mut self,
        ours: &Ours,
        context: &PropagationContext,
        arrival: &Arrival,
    ) -> Result<(f64, Decision)> {
        let rand = context.sample_rand().get();
        let agreeing = match arrival.rand() {
            Rand::Given(given) => {
                ensure!(rand == given, "the incoming random number is {given}, and ours is {rand}");
                None
            }
            Rand::Agreeing { sampled, rate } => {
                let is_possible = if sampled { rate > 0.0 } else { rate < 1.0 };
                let agrees = (rand < rate) == sampled || !is_possible;
                ensure!(
                    agrees,
                    "sample_rand {rand} does not agree with sampled={sampled} at the rate {rate}"
                );
                Some((sampled, rate.to_bits()))
            }
            Rand::Any => None,
        };
        let trace_id = context.trace_id().to_string();
        if !matches!(arrival.rand(), Rand::Given(_)) {
            let known = *self.rands.entry((trace_id.clone(), agreeing)).or_insert(rand);
            ensure!(rand == known, "another service drew {known} for this trace, this one {rand}");
        }
        let decision = arrival.decision(ours, rand);
        let found = Decision {
            sampled: context.sampled(),
            own_rate: context.sample_rate().map(|rate| rate.get()),
        };
        ensure!(
            found == decision,
            "the decision is {found:?}, and must be {decision:?}, at {rand}"
        );
        let records =
            (ours.rate.is_some() || ours.sampler.is_some()) && found.sampled == Some(true);
        ensure!(context.sends_spans() == records, "`sends_spans` must be {records}");

        let is_inherited = matches!(ours.sampler, Some(Sampler::Inherit(_)));
        if let (Some(sampled), Some(rate)) = (decision.sampled, decision.own_rate)
            && !is_inherited
            && agreeing.is_none()
            && self.counted.insert((trace_id, rate.to_bits()))
        {
            self.report.count_decision(rate, sampled);
        }
        Ok((rand, decision))
    }

    /// Checks two rules about decisions on a trace of which only the id is known.
    ///
    /// * Two services with the same rate make the same decision.
    /// * A trace that is sampled at a lower rate is sampled at a higher one.
    fn twins_decide_alike(&mut self) -> Result<()> {
        let Fresh { trace_id, span_id } = Fresh::new(&mut self.random);
        let headers = vec![("sentry-trace".to_owned(), format!("{trace_id}-{span_id}").into())];
        let mut lower = (0.0, false);
        for (rate, group) in &self.fleet.twins {
            let mut decisions = Vec::new();
            for index in [self.random.usize(..group.len()), self.random.usize(..group.len())] {
                if let Role::Ours(ours) = &self.fleet.services[group[index]].role {
                    decisions.push(ours.receive(&headers, Carrier::Pairs).sampled());
                }
            }
            let sampled = decisions[0] == Some(true);
            ensure!(
                decisions.iter().all(|it| *it == Some(sampled)),
                "two services with the rate {rate} decide {decisions:?} on {trace_id}"
            );
            ensure!(
                sampled || !lower.1,
                "trace {trace_id} is sampled at {}, and not at {rate}",
                lower.0
            );
            lower = (*rate, sampled);
            self.report.count_decision(*rate, sampled);
        }
        Ok(())
    }
}

/// Checks that decision, random number and rate agree, unless a service has lied.
fn agrees_with_itself(told: &Told) -> Result<()> {
    let number = |name| told.item(name).and_then(|text| text.parse::<f64>().ok());
    if let Line::One(parent) = &told.sentry_trace
        && let (Some(sampled), Some(rand), Some(rate)) =
            (parent.sampled, number("sample_rand"), number("sample_rate"))
        && !told.is_lie
    {
        ensure!(
            sampled == (rand < rate),
            "sampled={sampled}, sample_rand={rand} and sample_rate={rate} do not agree"
        );
    }
    Ok(())
}

fn is_within_limits(headers: &Headers) -> Result<()> {
    for (name, value) in headers {
        let is_header = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        ensure!(value.len() <= 8192, "{name} has {} bytes", value.len());
        ensure!(value.iter().all(is_header), "the value of {name} is not printable ASCII");
    }
    let members = lines(headers, "baggage").flat_map(|line| line.split(|byte| *byte == b','));
    let members = members.count();
    ensure!(members <= 64, "baggage has {members} members");
    Ok(())
}
