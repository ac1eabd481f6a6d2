//! When an event happened. Okta writes RFC 3339; what stands between it and us may have written it anew.

use std::borrow::Cow;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::format::log_event::LogEvent;

/// When an event happened, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) enum Moment {
    /// Okta's own `published`.
    Published(Timestamp),
    /// The time in the event's `uuid`, of which Okta makes one when it makes the event: `published` says nothing.
    OfId(Timestamp),
    /// The event has no time that can be read.
    Unknown,
}

/// Okta was founded in 2009: an earlier time is a zero that some program took for one.
const EARLIEST_SECONDS: i64 = 1_230_768_000;
/// The year 2100: a later time is made of an id that is none, or of a count in another unit.
const LATEST_SECONDS: i64 = 4_102_444_800;

impl Moment {
    /// When `event` happened.
    pub(in crate::format) fn of(event: &LogEvent<'_>) -> Self {
        if let Some(published) = event.root.peek("published").and_then(|text| read(&text)) {
            return Self::Published(published);
        }
        event.root.peek("uuid").and_then(|uuid| of_uuid(&uuid)).map_or(Self::Unknown, Self::OfId)
    }

    /// The time, if there is one.
    pub(in crate::format) fn timestamp(self) -> Option<Timestamp> {
        match self {
            Self::Published(timestamp) | Self::OfId(timestamp) => Some(timestamp),
            Self::Unknown => None,
        }
    }
}

/// The time of `event` as RFC 3339 in UTC with milliseconds, which is how Okta writes it.
pub(in crate::format) fn moment_text<'a>(event: &LogEvent<'a>, moment: Moment) -> Option<Cow<'a, str>> {
    let timestamp = moment.timestamp()?;
    let published = || event.root.peek("published").filter(|text| is_with_milliseconds(text));
    let as_written = if let Moment::Published(_) = moment { published() } else { None };
    Some(as_written.unwrap_or_else(|| Cow::Owned(format!("{timestamp:.3}"))))
}

/// Whether a time that can be read is written as `2026-01-02T03:04:05.678Z`. A leap second is not written so.
fn is_with_milliseconds(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == SHAPE.len() && text.as_bytes().iter().zip(SHAPE).all(fits) && text.get(17..19) != Some("60")
}

/// The time that `text` is: RFC 3339, the same with a blank or without a zone (which then is UTC, as everything of
/// Okta's is), or a count since 1970 in seconds, milliseconds, microseconds or nanoseconds.
fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim_ascii();
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => of_count(text)?,
        // A day alone is no moment.
        Err(_) if text.contains(':') => {
            text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()
        }
        Err(_) => return None,
    };
    plausible(timestamp)
}

fn of_count(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let count: i64 = whole.parse().ok()?;
    match whole.len() {
        ..=11 => {
            let nanoseconds: i32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
            Timestamp::new(count, nanoseconds).ok()
        }
        12..=14 => Timestamp::from_millisecond(count).ok(),
        15..=17 => Timestamp::from_microsecond(count).ok(),
        _ => Timestamp::from_nanosecond(count.into()).ok(),
    }
}

/// The time in a UUID of version 1, in steps of 100 nanoseconds since the Gregorian calendar began.
fn of_uuid(uuid: &str) -> Option<Timestamp> {
    const GREGORIAN_TO_1970: i128 = 0x01b2_1dd2_1381_4000;
    let mut parts = uuid.split('-');
    let [low, middle, high] = [8, 4, 4].map(|digits| {
        let part = parts.next().filter(|part| part.len() == digits);
        part.and_then(|part| i128::from_str_radix(part, 16).ok())
    });
    let (low, middle, high) = (low?, middle?, high?);
    let is_version_1 = high >> 12 == 1 && parts.map(str::len).eq([4, 12]);
    let steps = is_version_1.then_some((high & 0xfff) << 48 | middle << 32 | low)?;
    plausible(Timestamp::from_nanosecond((steps - GREGORIAN_TO_1970) * 100).ok()?)
}

fn plausible(timestamp: Timestamp) -> Option<Timestamp> {
    (EARLIEST_SECONDS..LATEST_SECONDS).contains(&timestamp.as_second()).then_some(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_in_one_form_whatever_okta_wrote() {
        for (published, text) in [
            ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02t03:04:05.678z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02T05:04:05.678+02:00", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02 03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
            ("2016-12-31T23:59:60.000Z", "2016-12-31T23:59:59.000Z"),
        ] {
            let event = format!(r#"{{"published":"{published}"}}"#);
            let event = LogEvent::read(event.as_str()).unwrap();
            assert_eq!(moment_text(&event, Moment::of(&event)).as_deref(), Some(text), "{published}");
        }
        let odd = LogEvent::read(r#"{"published":"2026-13-02T03:04:05.678Z"}"#).unwrap();
        assert_eq!(moment_text(&odd, Moment::of(&odd)), None);
    }

    fn moment(published: &str, uuid: &str) -> Moment {
        let event = format!(r#"{{"published":{published},"uuid":"{uuid}"}}"#);
        Moment::of(&LogEvent::read(event.as_str()).unwrap())
    }

    #[test]
    fn a_time_is_understood_however_it_is_written() {
        let expected = Moment::Published("2026-01-02T03:04:05.678Z".parse().unwrap());
        for published in [
            r#""2026-01-02T03:04:05.678Z""#,
            r#""2026-01-02T04:04:05.678+01:00""#,
            r#""2026-01-02T04:04:05.678+0100""#,
            r#""2026-01-02 03:04:05.678Z""#,
            r#""2026-01-02 03:04:05.678""#,
            r#""2026-01-02T03:04:05.678""#,
            r#"" 2026-01-02T03:04:05.678Z ""#,
            "1767323045678",
            r#""1767323045678""#,
            "1767323045.678",
            "1767323045678000",
        ] {
            assert_eq!(moment(published, ""), expected, "{published}");
        }
        assert_eq!(moment("1767323045", ""), Moment::Published("2026-01-02T03:04:05Z".parse().unwrap()));
    }

    #[test]
    fn an_event_whose_time_cannot_be_read_happened_when_its_id_was_made() {
        // Of an event that says itself that it was published at 2020-02-14T22:18:51.843Z.
        let uuid = "faf7398a-4f77-11ea-97fb-5925e98228bd";
        for published in
            ["null", r#""yesterday""#, "0", "5", r#""1970-01-01T00:00:00Z""#, r#""2026-01-02""#, "[]"]
        {
            let Moment::OfId(made) = moment(published, uuid) else { panic!("{published}") };
            assert_eq!(format!("{made:.3}"), "2020-02-14T22:18:51.843Z", "{published}");
        }
    }

    #[test]
    fn no_event_happens_in_a_far_future() {
        for uuid in ["", "ffffffff-ffff-1fff-bfff-ffffffffffff"] {
            for published in ["null", r#""9999-12-31T00:00:00Z""#, "99999999999"] {
                assert_eq!(moment(published, uuid), Moment::Unknown, "{uuid} {published}");
            }
        }
    }

    #[test]
    fn no_event_happened_in_1970() {
        for uuid in
            ["", "u-1", "faf7398a-4f77-41ea-97fb-5925e98228bd", "00000000-0000-1000-8000-000000000000", "é"]
        {
            for published in [
                "null",
                "0",
                r#""2026-13-45T99:99:99Z""#,
                r#""1969-12-31T23:59:59.999Z""#,
                "1e999",
                "18446744073709551615",
            ] {
                assert_eq!(moment(published, uuid), Moment::Unknown, "{uuid} {published}");
            }
        }
    }
}
