//! How long something took or how long ago it was, short and for people.

use std::time::Duration;

use jiff::Timestamp;

/// `45 s`, `12 min`, `3 h` or `9 d`: the largest unit of which there are two at least, and seconds below that.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago `time` was; nothing is ago that is yet to come.
pub(super) fn since(time: Timestamp) -> Duration {
    Timestamp::now().duration_since(time).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_grows_with_the_time() {
        let spans = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|s| span(Duration::from_secs(s)));
        assert_eq!(spans, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
        assert_eq!(since(Timestamp::now() + Duration::from_secs(60)), Duration::ZERO);
    }
}
