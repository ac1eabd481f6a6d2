//! The drawing of how the daemon stands: what is wrong first, then a table of each kind. Pure.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Effects, Style};
use jiff::Timestamp;

use super::{BucketStanding, CommandsStanding, RouteStanding, SinkStanding, Standing, StandingGrade};
use crate::{
    cli::{
        span::span,
        table::{columns_of, table},
    },
    live::LastHour,
    telemetry::printable,
};

const BOLD: Style = Style::new().effects(Effects::BOLD);
const DIM: Style = AnsiColor::BrightBlack.on_default();
const GOOD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const LOOK: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// The charts of the last hour, by route.
pub(in crate::cli) type Charts = BTreeMap<String, LastHour>;

/// From nothing to as much as there ever was.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Points of a chart that share a bar.
const POINTS_PER_BAR: usize = 3;

/// All of it, with no line wider than `width`, if that is known.
pub(in crate::cli) fn draw(standing: &Standing, charts: &Charts, width: Option<usize>) -> String {
    let mut text = String::new();
    let verdict = &standing.verdict;
    let (style, word) = match verdict.grade {
        StandingGrade::Well => (GOOD, "ok"),
        StandingGrade::Attention => (LOOK, "look"),
        StandingGrade::Trouble => (BAD, "TROUBLE"),
    };
    push(&mut text, style, &format!("{word}  {}", verdict.sentence), width);
    let up = standing.now.duration_since(standing.up_since).try_into().unwrap_or_default();
    push(&mut text, DIM, &format!("oktabus {}, up for {}", standing.version, span(up)), width);
    for concern in &verdict.concerns {
        let style = if concern.grade == StandingGrade::Trouble { BAD } else { LOOK };
        text.push('\n');
        push(&mut text, style, &format!("{} {}", concern.about, concern.what), width);
        if let Some(detail) = &concern.detail {
            push_wrapped(&mut text, DIM, detail, width);
        }
        push_wrapped(&mut text, Style::new(), &format!("-> {}", concern.remedy), width);
    }
    let sections = [
        routes(standing, charts),
        searches(standing),
        sinks(standing),
        budgets(standing),
        commands(standing),
    ];
    for rows in sections.into_iter().filter(|rows| rows.len() > 1) {
        text.push('\n');
        for (line, number) in table(&rows).lines().zip(0..) {
            push(&mut text, if number == 0 { BOLD } else { Style::new() }, line, width);
        }
    }
    text
}

/// A line a route, and one a budget: what the demo shows now and then.
#[cfg(feature = "simulator")]
pub(in crate::cli) fn route_lines(standing: &Standing) -> String {
    let routes = standing.routes.iter().map(|route| {
        format!(
            "{:16} {:11} {:>8} delivered  {:>8}  lag {:>7}{}",
            route.route,
            state(route),
            route.delivered,
            rate(route.rate),
            lag(route.lag_seconds),
            route.trouble().map(|trouble| format!("  {trouble}")).unwrap_or_default(),
        )
    });
    let buckets = standing.orgs.iter().flat_map(|org| &org.buckets).filter_map(|bucket| {
        let (allowed, limit) = (bucket.allowed?, bucket.limit?);
        (bucket.bucket == "logs").then(|| {
            let used = bucket.used;
            format!("budget           {used} of our {allowed} requests this minute (Okta allows {limit})")
        })
    });
    let mut text = String::new();
    routes.chain(buckets).for_each(|line| push(&mut text, DIM, &format!("── {line}"), None));
    text
}

fn routes(standing: &Standing, charts: &Charts) -> Vec<Vec<String>> {
    let has_charts = !charts.is_empty();
    let mut heading = words(["ROUTE", "STATE", "LAG", "RATE", "DELIVERED", "DEAD"]);
    heading.extend(has_charts.then(|| "LAST HOUR".to_owned()));
    heading.extend(words(["FORMAT", "SINK"]));
    let row = |route: &RouteStanding| {
        let mut row = vec![
            route.route.clone(),
            state(route).to_owned(),
            lag(route.lag_seconds),
            rate(route.rate),
            route.delivered.to_string(),
            route.dead_letters.to_string(),
        ];
        row.extend(has_charts.then(|| charts.get(&route.route).map(chart).unwrap_or_default()));
        let setup = route.setup.as_ref();
        row.extend(setup.map(|setup| setup.format.clone()).or_else(|| Some(String::new())));
        row.extend(setup.map(|setup| setup.sink.clone()));
        row
    };
    std::iter::once(heading).chain(standing.routes.iter().map(row)).collect()
}

fn searches(standing: &Standing) -> Vec<Vec<String>> {
    let heading = words(["SEARCH", "NEXT", "LAST", "FOUND"]);
    let rows = standing.routes.iter().filter_map(|route| {
        let search = route.search.as_ref()?;
        let next = match (search.running, search.next_slot) {
            (Some(slot), _) => format!("at work since {}", clock(slot)),
            (None, Some(slot)) => clock(slot),
            (None, None) => "not due any more".to_owned(),
        };
        let last = search.last_slot.map_or_else(|| "-".to_owned(), clock);
        let found = search.last_total.map_or_else(|| "-".to_owned(), |total| format!("{total} event(s)"));
        Some(vec![route.route.clone(), next, last, found])
    });
    std::iter::once(heading).chain(rows).collect()
}

fn sinks(standing: &Standing) -> Vec<Vec<String>> {
    let heading = words(["SINK", "KIND", "STATE", "ROUTES", "DELIVERY", "PLACE"]);
    let row = |sink: &SinkStanding| {
        let state = if sink.trouble.is_some() { "in trouble" } else { "works" };
        let [name, kind, delivery, place] =
            [&sink.name, &sink.kind, &sink.delivery, &sink.place].map(Clone::clone);
        vec![name, kind, state.to_owned(), sink.routes.len().to_string(), delivery, place]
    };
    std::iter::once(heading).chain(standing.sinks.iter().map(row)).collect()
}

fn budgets(standing: &Standing) -> Vec<Vec<String>> {
    let heading = words(["ORG", "BUDGET", "OURS", "OTHERS", "LEFT", "LIMIT"]);
    let known = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let row = |org: &str, bucket: &BucketStanding| {
        let ours = match bucket.allowed {
            Some(allowed) => format!("{} of {allowed}", bucket.used),
            None => bucket.used.to_string(),
        };
        let limit = match bucket.waiting_seconds {
            Some(seconds) => format!("{}, waits {seconds} s", known(bucket.limit)),
            None => known(bucket.limit),
        };
        let others = bucket.others.to_string();
        vec![org.to_owned(), bucket.bucket.clone(), ours, others, known(bucket.remaining), limit]
    };
    let rows = standing.orgs.iter().flat_map(|org| org.buckets.iter().map(|bucket| row(&org.org, bucket)));
    std::iter::once(heading).chain(rows).collect()
}

fn commands(standing: &Standing) -> Vec<Vec<String>> {
    let heading = words(["COMMANDS", "STATE", "HELD", "PARKED", "APPROVAL", "DEAD", "OUTCOMES", "TRIPPED"]);
    let row = |commands: &CommandsStanding| {
        let state = match () {
            () if commands.paused.is_some() => "paused".to_owned(),
            () if !commands.troubles.is_empty() => "in trouble".to_owned(),
            () => commands.phase.clone(),
        };
        let outcomes = commands.outcomes.iter().filter(|(_, count)| **count > 0);
        let outcomes: Vec<_> = outcomes.map(|(status, count)| format!("{count} {status}")).collect();
        vec![
            commands.commands.clone(),
            state,
            commands.held.to_string(),
            commands.parked.to_string(),
            commands.awaits_approval.to_string(),
            commands.dead_letters.to_string(),
            if outcomes.is_empty() { "-".to_owned() } else { outcomes.join(", ") },
            if commands.tripped.is_empty() { "-".to_owned() } else { commands.tripped.join(", ") },
        ]
    };
    std::iter::once(heading).chain(standing.commands.iter().map(row)).collect()
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

fn state(route: &RouteStanding) -> &str {
    match route.phase.as_str() {
        _ if route.trouble().is_some() => "in trouble",
        "reading" => "catching up",
        "at_tail" if route.search.is_some() => "waits",
        "at_tail" => "live",
        other => other,
    }
}

fn lag(seconds: f64) -> String {
    match std::time::Duration::try_from_secs_f64(seconds) {
        Ok(lag) if lag.as_secs() < 10 => format!("{seconds:.1} s"),
        Ok(lag) => span(lag),
        Err(_) => "-".to_owned(),
    }
}

fn rate(rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate >= 100.0 => format!("{rate:.0}/s"),
        Some(rate) => format!("{rate:.1}/s"),
        None => "-".to_owned(),
    }
}

fn clock(time: Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%m-%d %H:%M:%S").to_string()
}

/// The rates of the last hour as bars, the latest last. What is not known is a blank.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "one of eight bars"
)]
fn chart(hour: &LastHour) -> String {
    let most = hour.rate.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |points: &[Option<f64>]| {
        let rate = points.iter().flatten().copied().reduce(f64::max)?;
        let part = if most > 0.0 { rate / most } else { 0.0 };
        BARS.get((part * (BARS.len() - 1) as f64).ceil() as usize).copied()
    };
    hour.rate.chunks(POINTS_PER_BAR).map(|points| bar(points).unwrap_or(' ')).collect()
}

/// Appends a line, cut to `width`. What came from outside does nothing to a terminal.
fn push(text: &mut String, style: Style, line: &str, width: Option<usize>) {
    let line = printable(line);
    let line = width.map_or_else(|| line.clone().into_owned(), |width| cut(&line, width));
    text.push_str(&format!("{style}{line}{style:#}\n"));
}

/// Appends text below a finding, over as many lines as it takes.
fn push_wrapped(text: &mut String, style: Style, long: &str, width: Option<usize>) {
    let room = width.unwrap_or(usize::MAX).saturating_sub(2).max(20);
    let mut line = String::new();
    for word in printable(long).split(' ') {
        if !line.is_empty() && columns_of(&line) + 1 + columns_of(word) > room {
            push(text, style, &format!("  {line}"), width);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    push(text, style, &format!("  {line}"), width);
}

/// `line` in at most `width` columns; what is cut ends in `…`.
fn cut(line: &str, width: usize) -> String {
    if columns_of(line) <= width {
        return line.to_owned();
    }
    let mut short = String::new();
    for character in line.chars() {
        short.push(character);
        if columns_of(&short) >= width {
            short.pop();
            break;
        }
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn standing() -> Standing {
        let route = |name: &str, phase: &str, trouble: Option<&str>| {
            json!({
                "route": name, "phase": phase, "delivered": 1_203_332, "dead_letters": 2, "lag_seconds": 3.21, "rate": 12.34,
                "sink_trouble": trouble, "setup": { "sink": "siem", "format": "ocsf", "reads": "stream" }, "more": 1,
            })
        };
        let mut search = route("logins/siem", "at_tail", None);
        search["search"] = json!({ "next_slot": "2026-01-01T10:00:00Z", "last_total": 7 });
        let whole = json!({
            "version": "0.1.0", "now": "2026-01-02T00:00:00Z", "up_since": "2026-01-01T00:00:00Z",
            "verdict": {
                "grade": "trouble", "sentence": "Route log/siem cannot deliver to its sink.",
                "concerns": [{
                    "grade": "trouble", "about": "route log/siem", "what": "cannot deliver to its sink",
                    "detail": "the broker \u{1b}[2J is away and has been for some time now", "remedy": "Start it.",
                }],
            },
            "routes": [route("log/siem", "reading", Some("away")), route("log/other", "at_tail", None), search],
            "sinks": [{ "name": "siem", "kind": "kafka", "place": "topic okta", "delivery": "exactly once", "routes": ["log/siem"],
                        "trouble": "away" }],
            "orgs": [{ "org": "acme", "buckets": [{ "bucket": "logs", "limit": 120, "remaining": 100, "allowed": 60, "used": 12,
                       "others": 8, "waiting_seconds": 4 }] }],
            "commands": [{ "commands": "hr", "phase": "running", "held": 1, "parked": 2, "awaits_approval": 0, "paused": null,
                           "outcomes": { "done": 5, "failed": 0 }, "dead_letters": 0, "tripped": ["user.*"], "troubles": {} }],
        });
        serde_json::from_value(whole).unwrap()
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_first_line_says_whether_all_is_well_and_then_what_to_do() {
        let text = plain(&draw(&standing(), &Charts::new(), None));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "TROUBLE  Route log/siem cannot deliver to its sink.");
        assert!(text.contains("  -> Start it.") && !text.contains('\u{1b}'), "{text}");
        let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(has(&["log/siem", "in trouble", "3.2 s", "12.3/s", "1203332", "ocsf", "siem"]), "{text}");
        assert!(has(&["log/other", "live"]) && has(&["logins/siem", "waits"]), "{text}");
        assert!(has(&["siem", "kafka", "in trouble", "exactly once", "topic okta"]), "{text}");
        assert!(has(&["acme", "logs", "12 of 60", "8", "100", "120, waits 4 s"]), "{text}");
        assert!(has(&["hr", "running", "5 done", "user.*"]) && has(&["logins/siem", "7 event(s)"]), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let charts = Charts::from([(
            "log/siem".to_owned(),
            LastHour { seconds_per_point: 60, rate: vec![None; 60], lag_seconds: vec![None; 60] },
        )]);
        for width in [10, 24, 40, 80, 200] {
            let text = plain(&draw(&standing(), &charts, Some(width)));
            let widest = text.lines().map(columns_of).max().unwrap();
            assert!(widest <= width, "{widest} > {width}\n{text}");
            assert!(width > 40 || text.contains('…'), "{text}");
        }
    }

    #[test]
    fn a_chart_has_its_highest_bar_where_most_was_delivered() {
        let mut rate = vec![None; 60];
        (rate[3], rate[4], rate[57]) = (Some(0.0), Some(1.0), Some(8.0));
        let chart = chart(&LastHour { seconds_per_point: 60, rate, lag_seconds: Vec::new() });
        let bars: Vec<_> = chart.chars().collect();
        assert_eq!((bars.len(), bars[0], bars[1], bars[19]), (20, ' ', '▂', '█'));
    }

    #[cfg(feature = "simulator")]
    #[test]
    fn the_demo_shows_a_line_a_route_and_one_a_budget() {
        let text = plain(&route_lines(&standing()));
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.lines().all(|line| line.starts_with("── ")), "{text}");
        assert!(text.contains("12 of our 60 requests this minute (Okta allows 120)"), "{text}");
    }
}
