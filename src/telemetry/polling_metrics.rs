//! The metrics of polls and doorbells: their names, and one function for each thing that is counted. No label has more values
//! than the configuration has names.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const INTERVAL: &str = "oktabus_poll_interval_seconds";
const IDLE_REQUESTS: &str = "oktabus_idle_requests_per_hour";
const SAVED: &str = "oktabus_doorbell_saved_seconds";
const LAST_RING: &str = "oktabus_doorbell_last_ring_timestamp_seconds";
const POLLS: &str = "oktabus_doorbell_polls_total";
const FINDS: &str = "oktabus_doorbell_finds_total";
const RINGS: &str = "oktabus_doorbell_rings_total";
const REFUSED: &str = "oktabus_doorbell_refused_total";

const GAUGES: [(&str, &str); 4] = [
    (INTERVAL, "The time between two polls of a stream just now, without rings."),
    (IDLE_REQUESTS, "Requests of a stream in an hour in which nothing happens, as configured."),
    (
        SAVED,
        "By how much earlier rings have found events than the next regular poll, all together since the start.",
    ),
    (LAST_RING, "When the doorbell of an org was rung last; 0 if it was not."),
];
const COUNTERS: [(&str, &str); 4] = [
    (POLLS, "Polls of a stream that rings began."),
    (FINDS, "Rings whose polls found events."),
    (RINGS, "Rings that were taken, by org."),
    (
        REFUSED,
        "Requests to the doorbell that were refused, by org and reason; org `none` if the path is no org's.",
    ),
];

pub(super) fn describe() {
    for (name, text) in GAUGES {
        describe_gauge!(name, text);
    }
    for (name, text) in COUNTERS {
        describe_counter!(name, text);
    }
}

/// The series of the doorbell of `org` are there, at 0.
pub(crate) fn doorbell_exists(org: &str, reasons: impl IntoIterator<Item = &'static str>) {
    counter!(RINGS, "org" => org.to_owned()).increment(0);
    gauge!(LAST_RING, "org" => org.to_owned()).set(0.0);
    for reason in reasons {
        counter!(REFUSED, "org" => org.to_owned(), "reason" => reason).increment(0);
    }
}

/// The doorbell of `org` was rung.
pub(crate) fn rung(org: &str, at: jiff::Timestamp) {
    counter!(RINGS, "org" => org.to_owned()).increment(1);
    gauge!(LAST_RING, "org" => org.to_owned()).set(at.as_duration().as_secs_f64());
}

/// A request to the doorbell was refused.
pub(crate) fn refused(org: &str, reason: &'static str) {
    counter!(REFUSED, "org" => org.to_owned(), "reason" => reason).increment(1);
}

/// How a stream polls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollGauges {
    pub(crate) interval_seconds: f64,
    pub(crate) idle_requests_per_hour: f64,
    pub(crate) polls_by_rings: u64,
    pub(crate) rings_with_events: u64,
    pub(crate) seconds_saved: f64,
}

/// Sets the series of a stream; called for each scrape.
pub(crate) fn stream(stream: &str, gauges: &PollGauges) {
    let of = || stream.to_owned();
    gauge!(INTERVAL, "stream" => of()).set(gauges.interval_seconds);
    gauge!(IDLE_REQUESTS, "stream" => of()).set(gauges.idle_requests_per_hour);
    gauge!(SAVED, "stream" => of()).set(gauges.seconds_saved);
    counter!(POLLS, "stream" => of()).absolute(gauges.polls_by_rings);
    counter!(FINDS, "stream" => of()).absolute(gauges.rings_with_events);
}
