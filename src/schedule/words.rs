//! Plain words for the common schedules, made into cron patterns:
//!
//! ```text
//! hourly at :MM [on DAYS]
//! daily at HH:MM [on DAYS]
//! weekdays at HH:MM              as daily, on weekdays; likewise weekends
//! monthly on D at HH:MM          D: 1 to 31, or last
//! ```
//!
//! DAYS: `weekdays`, `weekends`, or days such as `mon, wed and fri`.

/// How words look.
pub(super) const EXAMPLE: &str = "daily at 08:00 on weekdays";

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// The pattern that `typed` means; none if it does not begin like words.
pub(super) fn to_cron(typed: &str) -> Option<Result<String, String>> {
    let lower = typed.to_lowercase();
    let (first, rest) = lower.trim().split_once(' ')?;
    match first {
        "hourly" => Some(hourly(rest)),
        "daily" => Some(daily(rest)),
        "weekdays" | "weekends" => Some(daily(&format!("{rest} on {first}"))),
        "monthly" => Some(monthly(rest)),
        _ => None,
    }
}

fn hourly(rest: &str) -> Result<String, String> {
    let (at, days) = at_and_days(rest)?;
    let minute = at.strip_prefix(':').and_then(|minute| number(minute, 59));
    let minute = minute.ok_or_else(|| format!("`{at}` is no minute: as in \"hourly at :15\""))?;
    Ok(format!("{minute} * * * {days}"))
}

fn daily(rest: &str) -> Result<String, String> {
    let (at, days) = at_and_days(rest)?;
    let (hour, minute) = clock(at)?;
    Ok(format!("{minute} {hour} * * {days}"))
}

fn monthly(rest: &str) -> Result<String, String> {
    let shape = "it is \"monthly on 1 at 06:00\" or \"monthly on last at 06:00\"";
    let (day, at) = rest.trim().strip_prefix("on ").and_then(|rest| rest.split_once(" at ")).ok_or(shape)?;
    let day = match day.trim() {
        "last" => "L".to_owned(),
        day => {
            let day = number(day, 31).filter(|day| *day > 0);
            day.ok_or_else(|| format!("there is no such day: {shape}"))?.to_string()
        }
    };
    let (hour, minute) = clock(at.trim())?;
    Ok(format!("{minute} {hour} {day} * *"))
}

/// `at X [on DAYS]`: X, and the days as cron writes them.
fn at_and_days(rest: &str) -> Result<(&str, String), String> {
    let rest =
        rest.trim().strip_prefix("at ").ok_or_else(|| format!("there is no `at`: as in \"{EXAMPLE}\""))?;
    match rest.split_once(" on ") {
        None => Ok((rest.trim(), "*".to_owned())),
        Some((at, days)) => Ok((at.trim(), days_of_week(days)?)),
    }
}

fn days_of_week(days: &str) -> Result<String, String> {
    match days.trim() {
        "weekdays" => return Ok("1-5".to_owned()),
        "weekends" => return Ok("0,6".to_owned()),
        _ => {}
    }
    let words = days.split([',', ' ']).filter(|word| !word.is_empty() && *word != "and");
    let numbers: Result<Vec<_>, _> = words.map(day_of_week).collect();
    let numbers = numbers?;
    if numbers.is_empty() { Err("no days are named after `on`".to_owned()) } else { Ok(numbers.join(",")) }
}

fn day_of_week(word: &str) -> Result<String, String> {
    let day = DAYS.iter().position(|day| word.len() >= 3 && day.starts_with(word));
    day.map(|day| day.to_string()).ok_or_else(|| {
        format!("`{word}` is no day of the week: mon, tue, wed, thu, fri, sat, sun, weekdays or weekends")
    })
}

fn clock(at: &str) -> Result<(u32, u32), String> {
    let parts = at.split_once(':').and_then(|(hour, minute)| Some((number(hour, 23)?, number(minute, 59)?)));
    parts.ok_or_else(|| format!("`{at}` is no time of day, such as 08:00 or 23:30"))
}

fn number(text: &str, max: u32) -> Option<u32> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_short && *number <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_patterns() {
        for (typed, pattern) in [
            ("hourly at :15", "15 * * * *"),
            ("Hourly at :05 on weekdays", "5 * * * 1-5"),
            ("daily at 08:00", "0 8 * * *"),
            ("daily at 08:00 on mon, Wednesday and fri", "0 8 * * 1,3,5"),
            ("daily at 23:59 on weekends", "59 23 * * 0,6"),
            ("weekdays at 08:00", "0 8 * * 1-5"),
            ("weekends at 9:05", "5 9 * * 0,6"),
            ("monthly on 1 at 06:30", "30 6 1 * *"),
            ("monthly on last at 06:30", "30 6 L * *"),
        ] {
            assert_eq!(to_cron(typed).unwrap().as_deref(), Ok(pattern), "{typed}");
        }
        assert_eq!(to_cron("0 8 * * *"), None);
    }

    #[test]
    fn words_that_make_no_sense_are_told() {
        for (typed, reason) in [
            ("hourly at 15", "no minute"),
            ("hourly :15", "no `at`"),
            ("daily at 24:00", "no time of day"),
            ("daily at 08:00 on", "no time of day"),
            ("daily at 08:00 on moonday", "no day of the week"),
            ("daily at 08:00 on mo", "no day of the week"),
            ("weekdays at 08:00 on mon", "no day of the week"),
            ("monthly on 32 at 08:00", "no such day"),
            ("monthly at 08:00", "monthly on 1"),
        ] {
            let told = to_cron(typed).unwrap().unwrap_err();
            assert!(told.contains(reason), "{typed}: {told}");
        }
    }
}
