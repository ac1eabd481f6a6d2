//! How often a stream asks while there is nothing new: always alike, or between two bounds.

use std::{fmt, time::Duration};

use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Problem, quantity::Span};

/// The time between two polls of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollInterval {
    /// Always the same.
    Fixed(Duration),
    /// Shorter while events arrive, longer while none do.
    Adaptive {
        /// While events arrive, and after a ring.
        min: Duration,
        /// After a long silence.
        max: Duration,
    },
}

/// Each poll is a request.
const SHORTEST: Duration = Duration::from_millis(100);
/// A stream that asks less often looks like a dead one.
const LONGEST: Duration = Duration::from_secs(3_600);

impl PollInterval {
    /// The shortest time between two polls.
    pub fn shortest(self) -> Duration {
        match self {
            Self::Fixed(interval) => interval,
            Self::Adaptive { min, .. } => min,
        }
    }

    /// The longest time between two polls.
    pub fn longest(self) -> Duration {
        match self {
            Self::Fixed(interval) => interval,
            Self::Adaptive { max, .. } => max,
        }
    }

    /// Requests in an hour in which nothing happens.
    pub fn idle_requests_per_hour(self) -> f64 {
        3_600.0 / self.longest().as_secs_f64()
    }
}

/// As it is typed.
#[derive(Debug, Clone, Copy, schemars::JsonSchema)]
#[schemars(untagged)]
pub(super) enum RawPollInterval {
    Fixed(Span),
    Adaptive(RawBounds),
}

#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBounds {
    min: Span,
    max: Span,
}

impl<'de> Deserialize<'de> for RawPollInterval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanOrBounds;
        impl<'de> Visitor<'de> for SpanOrBounds {
            type Value = RawPollInterval;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "a duration such as \"10s\", \"15m\" or \"1h\", or two: { min = \"1s\", max = \"60s\" }",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawPollInterval, E> {
                let span = Span::parse(text);
                span.map(RawPollInterval::Fixed)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPollInterval, A::Error> {
                RawBounds::deserialize(MapAccessDeserializer::new(map)).map(RawPollInterval::Adaptive)
            }
        }
        deserializer.deserialize_any(SpanOrBounds)
    }
}

/// What was typed, if it makes sense; `default` if nothing was.
pub(super) fn resolve(raw: Option<RawPollInterval>, default: Duration) -> Result<PollInterval, Problem> {
    let (key, interval) = match raw {
        None => return Ok(PollInterval::Fixed(default)),
        Some(RawPollInterval::Fixed(Span(interval))) => ("poll_interval", PollInterval::Fixed(interval)),
        Some(RawPollInterval::Adaptive(RawBounds { min: Span(min), max: Span(max) })) => {
            ("poll_interval.min", PollInterval::Adaptive { min, max })
        }
    };
    if interval.shortest() < SHORTEST {
        return Err(Problem::new(key, "must be 100ms or more: each poll is a request"));
    }
    if interval.longest() < interval.shortest() {
        return Err(Problem::new("poll_interval.max", "is shorter than `min`"));
    }
    if matches!(interval, PollInterval::Adaptive { max, .. } if max > LONGEST) {
        let reason = "must be 1h or less: a stream that asks less often looks like a dead one";
        return Err(Problem::new("poll_interval.max", reason));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(min: u64, max: u64) -> Option<RawPollInterval> {
        let span = |seconds| Span(Duration::from_secs(seconds));
        Some(RawPollInterval::Adaptive(RawBounds { min: span(min), max: span(max) }))
    }

    #[test]
    fn bounds_are_in_order_and_within_reason() {
        let seconds = Duration::from_secs;
        assert_eq!(resolve(None, seconds(10)).unwrap(), PollInterval::Fixed(seconds(10)));
        let adaptive = resolve(bounds(1, 60), seconds(10)).unwrap();
        assert_eq!(adaptive, PollInterval::Adaptive { min: seconds(1), max: seconds(60) });
        assert!((adaptive.idle_requests_per_hour() - 60.0).abs() < 1e-9);
        for (min, max, path) in
            [(60, 1, "poll_interval.max"), (0, 1, "poll_interval.min"), (1, 3_601, "poll_interval.max")]
        {
            assert_eq!(resolve(bounds(min, max), seconds(10)).unwrap_err().path, path, "{min} {max}");
        }
    }
}
