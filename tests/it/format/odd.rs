//! JSON that is right by its grammar and that no sensible sender writes: names twice, halves of surrogate pairs, numbers
//! beyond a double, depth, length.

use std::fmt::Write as _;

/// Something whose like is in no other event: it has to be found again in what is made of the event.
#[derive(Debug, Default)]
pub(super) struct Odd {
    pub(super) json: String,
    /// What every format has to tell, each as it stands in JSON there.
    pub(super) marks: Vec<String>,
}

/// Names that mean something to a format, and some that become others'.
const NAMES: [&str; 30] = [
    "id",
    "type",
    "alternateId",
    "displayName",
    "detailEntry",
    "changeDetails",
    "from",
    "to",
    "ipAddress",
    "ip",
    "device",
    "userAgent",
    "os",
    "geographicalContext",
    "city",
    "geolocation",
    "lat",
    "result",
    "reason",
    "risk",
    "level",
    "as",
    "asOrg",
    "debugData",
    "debug_data",
    "aBC",
    "aB_c",
    "a_b_c",
    "\\ud800",
    "\\u0069d",
];
const MEMBERS: [&str; 20] = [
    "uuid",
    "published",
    "severity",
    "displayMessage",
    "actor",
    "client",
    "device",
    "target",
    "outcome",
    "authenticationContext",
    "securityContext",
    "security_context",
    "debugContext",
    "debug_context",
    "transaction",
    "request",
    "legacyEventType",
    "eventType",
    "\\udfff",
    "event_type",
];

/// One odd event, the same for the same seed.
pub(super) fn event(seed: u64) -> Odd {
    let mut writer = Writer { random: fastrand::Rng::with_seed(seed), seed, odd: Odd::default() };
    writer.object(&MEMBERS, 0);
    writer.odd
}

/// One event for each thing that has ever stopped somebody, with a type of its own.
pub(super) fn gallery() -> Vec<String> {
    let event = |rest: &str| format!(r#"{{"eventType":"user.session.start",{rest}}}"#);
    let deep = |depth: usize| format!("{}{}", r#"{"a":["#.repeat(depth), "]}".repeat(depth));
    let long = "x".repeat(1 << 20);
    let dots = "a.".repeat(1 << 19);
    [
        r#""uuid":"\ud800""#,
        r#""uuid":"u-1","uuid":"u-2""#,
        r#""uuid":1e999"#,
        r#""uuid":"nul\u0000nul","actor":{"id":"\u0000"}"#,
        r#""published":"\udc00","severity":"\ud800\ud800","displayMessage":"\ud83d""#,
        r#""published":1e999,"severity":-1E999,"outcome":{"result":1e999}"#,
        r#""\ud800":1,"actor":{"\udfff":2,"id":"00u","type":"User","id":"00v"}"#,
        r#""actor":{"alternateId":"=1+1","displayName":"\u202e\u001b[2J","id":"\r\n"}"#,
        r#""target":[{"id":"1","type":"User","id":"2","type":"AppInstance","detailEntry":{"k":1,"k":2}}]"#,
        r#""target":[{"id":"\ud800","type":"User"},5,null]"#,
        r#""client":{"geographicalContext":{"geolocation":{"lat":1e999,"lon":-1e999}}}"#,
        r#""debugContext":{"debugData":{"a":{"b":1,"b":2},"risk":"{level=HIGH, level=\ud800"}}"#,
        r#""aBC":1,"aB_c":2,"a_b_c":3"#,
        r#""outcome":{"result":"DENY"},"outcome":{"result":"ALLOW"},"outcome":5"#,
    ]
    .into_iter()
    .map(event)
    .chain([
        event(&format!(r#""n":{}"#, "9".repeat(5_000))),
        event(&format!(r#""debugContext":{}"#, deep(5_000))),
        event(&format!(r#""target":[{}]"#, deep(100))),
        event(&format!(r#""uuid":"{long}""#)),
        event(&format!(r#""actor":{{"id":"{long}","type":"User"}}"#)),
        event(&format!(r#""transaction":{{"id":"{dots}"}}"#)),
        format!(r#"{{"eventType":"{dots}","uuid":"dots"}}"#),
        format!(r#"{{"eventType":"\ud800","eventType":"{dots}\udc00"}}"#),
        "null".to_owned(),
        "1e999".to_owned(),
        r#""\ud800""#.to_owned(),
        deep(5_000),
    ])
    .collect()
}

struct Writer {
    random: fastrand::Rng,
    seed: u64,
    odd: Odd,
}

impl Writer {
    fn object(&mut self, names: &[&str], depth: usize) {
        self.odd.json.push('{');
        for index in 0..self.random.usize(0..12) {
            if index > 0 {
                self.odd.json.push(',');
            }
            let name = names[self.random.usize(..names.len())];
            let _ = write!(self.odd.json, "\"{name}\":");
            self.value(depth + 1);
        }
        self.odd.json.push('}');
    }

    fn value(&mut self, depth: usize) {
        match self.random.u32(0..if depth > 4 { 6 } else { 12 }) {
            0 => self.odd.json.push_str("null"),
            1 => self
                .odd
                .json
                .push_str(["true", "1.50", "\"User\"", "\"unknown\"", "\"\""][self.random.usize(..5)]),
            2 => self.mark("", "e999", |mark| format!("\"{mark}\"")),
            3 => self.mark(r#""\ud800"#, "\"", |mark| mark.replace(r"\ud", r"\\ud")),
            4 | 5 => self.mark("\"", "\"", str::to_owned),
            6 | 7 => {
                self.odd.json.push('[');
                for index in 0..self.random.usize(0..4) {
                    if index > 0 {
                        self.odd.json.push(',');
                    }
                    self.value(depth + 1);
                }
                self.odd.json.push(']');
            }
            _ => self.object(&NAMES, depth),
        }
    }

    /// A value that is nowhere else, which a format tells as `told` says.
    fn mark(&mut self, before: &str, after: &str, told: impl Fn(&str) -> String) {
        let mark = format!("{before}{}{:05}{after}", self.seed + 1_000, self.odd.marks.len());
        self.odd.json.push_str(&mark);
        self.odd.marks.push(told(&mark));
    }
}
