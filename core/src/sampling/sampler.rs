//! The function that gives the rate of each trace, and its input.

use std::sync::Arc;

use super::{SampleRand, SampleRate};

/// The input of a sampler: what is known of the trace to decide on.
///
/// See [`traces_sampler`](crate::PropagatorBuilder::traces_sampler), and the sampling context in Sentry's
/// [Traces](https://develop.sentry.dev/sdk/telemetry/traces/). Tests of a sampler can make one:
///
/// ```
/// use tracehop::{SampleRate, SamplingContext};
///
/// fn rate(trace: &SamplingContext<'_>) -> f64 {
///     match trace.name() {
///         Some("GET /health") => 0.0,
///         _ => trace.inherit_or_sample_with(0.2),
///     }
/// }
///
/// let head = SamplingContext::default();
/// assert_eq!(rate(&head), 0.2);
/// assert_eq!(rate(&head.clone().with_name("GET /health")), 0.0);
/// let half = SampleRate::new(0.5)?;
/// assert_eq!(rate(&head.with_parent_sampled(true).with_parent_sample_rate(half)), 0.5);
/// # Ok::<(), tracehop::SampleError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SamplingContext<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) parent_sampled: Option<bool>,
    pub(crate) parent_sample_rate: Option<SampleRate>,
    pub(crate) sample_rand: Option<SampleRand>,
}

impl<'a> SamplingContext<'a> {
    /// Sets the name of the transaction.
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the decision of the calling service.
    #[must_use]
    pub fn with_parent_sampled(mut self, sampled: bool) -> Self {
        self.parent_sampled = Some(sampled);
        self
    }

    /// Sets the rate of the calling service's decision.
    #[must_use]
    pub fn with_parent_sample_rate(mut self, rate: SampleRate) -> Self {
        self.parent_sample_rate = Some(rate);
        self
    }

    /// Sets the random number of the trace.
    #[must_use]
    pub fn with_sample_rand(mut self, rand: SampleRand) -> Self {
        self.sample_rand = Some(rand);
        self
    }

    /// Returns the transaction's name, such as `GET /users/{id}`, if it was set before the decision.
    pub fn name(&self) -> Option<&str> {
        self.name
    }

    /// Returns the calling service's decision; `None` if there is no calling service, or if it deferred.
    pub fn parent_sampled(&self) -> Option<bool> {
        self.parent_sampled
    }

    /// Returns the rate of the calling service's decision, if it sent one.
    pub fn parent_sample_rate(&self) -> Option<SampleRate> {
        self.parent_sample_rate
    }

    /// Returns the random number of the trace, which the sampler's answer is compared with: the trace is sampled if
    /// the number is less. A context that a test makes has none unless [it is set](Self::with_sample_rand).
    pub fn sample_rand(&self) -> Option<SampleRand> {
        self.sample_rand
    }

    /// Returns the parent's rate, else its decision as 1 or 0, else `fallback`.
    pub fn inherit_or_sample_with(&self, fallback: f64) -> f64 {
        self.parent_sample_rate
            .map(SampleRate::get)
            .or(self.parent_sampled.map(|sampled| f64::from(u8::from(sampled))))
            .unwrap_or(fallback)
    }

    /// Returns a rate that leads to the calling service's decision, or `fallback` if it made none.
    ///
    /// The rate is the parent's if that leads to the decision, so that Sentry extrapolates as before, else 1 or 0.
    /// [`inherit_or_sample_with`](Self::inherit_or_sample_with) prefers the parent's rate, and may decide otherwise if a
    /// service in between has changed the rate.
    ///
    /// ```
    /// use tracehop::{SampleRate, SamplingContext};
    ///
    /// let trace = SamplingContext::default().with_parent_sample_rate(SampleRate::new(0.25)?);
    /// assert_eq!(trace.inherit_decision_or_sample_with(0.1), 0.1);
    /// let trace = trace.with_parent_sampled(true).with_sample_rand("0.2".parse()?);
    /// assert_eq!(trace.inherit_decision_or_sample_with(0.1), 0.25);
    /// let trace = trace.with_sample_rand("0.7".parse()?);
    /// assert_eq!(trace.inherit_decision_or_sample_with(0.1), 1.0);
    /// # Ok::<(), tracehop::SampleError>(())
    /// ```
    pub fn inherit_decision_or_sample_with(&self, fallback: f64) -> f64 {
        let Some(sampled) = self.parent_sampled else { return fallback };
        let rate = self.agreeing_rate(sampled);
        rate.map_or(f64::from(u8::from(sampled)), SampleRate::get)
    }

    /// Returns a rate that keeps a share, from 0 to 1, of the traces that the calling service sampled. The rate is 0
    /// for traces that it did not sample, and `fallback` if it made no decision.
    ///
    /// The trace's random number decides which traces are kept: services with equal shares keep the same ones. The
    /// rate is the parent's times `share`, so that Sentry extrapolates by both. It is `share` alone if the parent sent
    /// no rate, or one that does not lead to its decision.
    ///
    /// ```
    /// use tracehop::{SampleRate, SamplingContext};
    ///
    /// let half = SamplingContext::default().with_parent_sample_rate(SampleRate::new(0.5)?);
    /// assert_eq!(half.clone().with_parent_sampled(true).keep_or_sample_with(0.1, 0.2), 0.05);
    /// assert_eq!(half.clone().with_parent_sampled(false).keep_or_sample_with(0.1, 0.2), 0.0);
    /// assert_eq!(half.keep_or_sample_with(0.1, 0.2), 0.2);
    /// # Ok::<(), tracehop::SampleError>(())
    /// ```
    pub fn keep_or_sample_with(&self, share: f64, fallback: f64) -> f64 {
        match self.parent_sampled {
            None => fallback,
            Some(false) => 0.0,
            Some(true) => self.agreeing_rate(true).map_or(share, |rate| rate.get() * share),
        }
    }

    /// Returns the rate of the first pattern that the transaction's name matches; `None` if none does, or if there is no
    /// name.
    ///
    /// A pattern is a name, such as `GET /users/{id}`, or a route for every method, such as `/users/{id}`. A `*` at its
    /// end matches the rest of the name. A name has the pattern of the route, never the requested path.
    ///
    /// ```
    /// use tracehop::{Propagator, SamplingContext};
    ///
    /// const RATES: &[(&str, f64)] = &[("/health", 0.0), ("POST /orders", 1.0), ("/admin/*", 0.5)];
    ///
    /// let sampler = |trace: &SamplingContext<'_>| {
    ///     trace.rate_by_route(RATES).unwrap_or_else(|| trace.inherit_or_sample_with(0.1))
    /// };
    /// assert_eq!(sampler(&SamplingContext::default().with_name("GET /admin/users/{id}")), 0.5);
    /// assert_eq!(sampler(&SamplingContext::default().with_name("GET /orders")), 0.1);
    /// let propagator = Propagator::builder().traces_sampler(sampler).build()?;
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    pub fn rate_by_route(&self, rates: &[(&str, f64)]) -> Option<f64> {
        let name = self.name?;
        let (_, route) = name.split_once(' ').unwrap_or(("", name));
        let matches = |pattern: &str| {
            let text = if pattern.starts_with('/') { route } else { name };
            match pattern.strip_suffix('*') {
                Some(start) => text.starts_with(start),
                None => text == pattern,
            }
        };
        rates.iter().find(|(pattern, _)| matches(pattern)).map(|(_, rate)| *rate)
    }

    /// Returns the parent's rate if the trace's random number leads to this decision at that rate.
    fn agreeing_rate(&self, sampled: bool) -> Option<SampleRate> {
        let agrees = |rate: &SampleRate| {
            self.sample_rand.is_none_or(|it| it.is_sampled_at(*rate) == sampled)
        };
        self.parent_sample_rate.filter(agrees)
    }
}

/// A sampler, as options hold it.
pub(crate) type Sampler = Arc<dyn Fn(&SamplingContext<'_>) -> f64 + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samplers_inherit_rate_then_decision_then_fallback() {
        for (parent_sampled, parent_rate, inherited) in [
            (Some(true), Some(0.25), 0.25),
            (None, Some(0.25), 0.25),
            (Some(true), None, 1.0),
            (Some(false), None, 0.0),
            (None, None, 0.1),
        ] {
            let context = SamplingContext {
                name: None,
                parent_sampled,
                parent_sample_rate: parent_rate.map(|rate| SampleRate::new(rate).unwrap()),
                sample_rand: None,
            };
            assert_eq!(context.inherit_or_sample_with(0.1), inherited);
            assert_eq!(context.parent_sampled(), parent_sampled);
        }
        let rand: SampleRand = "0.5".parse().unwrap();
        assert_eq!(SamplingContext::default().with_sample_rand(rand).sample_rand(), Some(rand));
    }

    #[test]
    fn decisions_of_parents_stand_or_are_thinned() {
        type Row = (Option<bool>, Option<f64>, Option<f64>, f64, f64);
        // The parent's decision and rate, the random number, the inherited rate and that of a fifth.
        let table: &[Row] = &[
            (None, None, Some(0.5), 0.3, 0.3),
            (None, Some(0.25), Some(0.1), 0.3, 0.3),
            (Some(true), None, Some(0.9), 1.0, 0.2),
            (Some(true), Some(0.5), Some(0.4), 0.5, 0.1),
            (Some(true), Some(0.5), None, 0.5, 0.1),
            (Some(true), Some(0.5), Some(0.5), 1.0, 0.2),
            (Some(false), None, Some(0.1), 0.0, 0.0),
            (Some(false), Some(0.5), Some(0.5), 0.5, 0.0),
            (Some(false), Some(0.5), Some(0.4), 0.0, 0.0),
        ];
        for row @ (parent_sampled, rate, rand, inherited, thinned) in table {
            let context = SamplingContext {
                name: None,
                parent_sampled: *parent_sampled,
                parent_sample_rate: rate.map(|rate| SampleRate::new(rate).unwrap()),
                sample_rand: rand.map(|rand| SampleRand::new(rand).unwrap()),
            };
            assert_eq!(context.inherit_decision_or_sample_with(0.3), *inherited, "{row:?}");
            assert_eq!(context.keep_or_sample_with(0.2, 0.3), *thinned, "{row:?}");
            let by_inherited = rand.zip(*parent_sampled);
            assert!(by_inherited.is_none_or(|(rand, sampled)| (rand < *inherited) == sampled));
        }
    }

    #[test]
    fn first_matching_pattern_gives_the_rate() {
        let rates = &[
            ("GET /users/{id}", 0.1),
            ("/users/{id}", 0.2),
            ("POST *", 0.3),
            ("/a/*", 0.4),
            ("job", 0.5),
            ("/a*", 0.6),
        ];
        for (name, rate) in [
            (Some("GET /users/{id}"), Some(0.1)),
            (Some("PUT /users/{id}"), Some(0.2)),
            (Some("POST /other"), Some(0.3)),
            (Some("GET /a/b"), Some(0.4)),
            (Some("GET /a"), Some(0.6)),
            (Some("/users/{id}"), Some(0.2)),
            (Some("job"), Some(0.5)),
            (Some("GET /users/7"), None),
            (Some("GET /x/users/{id}"), None),
            (Some("GETS /users/{ID}"), None),
            (Some(""), None),
            (None, None),
        ] {
            let context = SamplingContext { name, ..SamplingContext::default() };
            assert_eq!(context.rate_by_route(rates), rate, "{name:?}");
        }
    }
}
