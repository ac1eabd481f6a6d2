//! Log levels and directives.

use tracing_subscriber::EnvFilter;

use super::did_you_mean;

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// What our own lines are about, for directives.
const OWN_TARGET: &str = "oktabus";

/// Refuses directives that make no sense, and those that would silence oktabus without saying so: a word that is no level
/// is a target to the filter, and whatever no directive is about is not logged.
pub(super) fn check_directives(text: &str) -> Result<(), String> {
    let mut is_own_told = false;
    for directive in split(text) {
        let directive = directive.trim();
        let (target, level) = match directive.rsplit_once('=').filter(|_| !directive.ends_with(']')) {
            Some((target, level)) => (Some(target), level),
            None if directive.contains('[') => continue,
            None => (None, directive),
        };
        if !LEVELS.contains(&level.to_lowercase().as_str()) {
            let suggestion = did_you_mean(level, LEVELS);
            return Err(format!(
                "`{level}` is not a level: there are error, warn, info, debug, trace and off{suggestion}"
            ));
        }
        is_own_told |= target.is_none_or(|target| target == OWN_TARGET || target.starts_with("oktabus::"));
    }
    if let Err(err) = text.parse::<EnvFilter>() {
        return Err(format!(
            "`{text}` is not a level such as info, or directives such as info,oktabus=debug: {err}"
        ));
    }
    if is_own_told {
        return Ok(());
    }
    Err(format!("`{text}` leaves out all that oktabus itself says: begin with a level, as in `info,{text}`"))
}

/// The directives of a text: commas within braces belong to a directive.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(move |c: char| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_would_silence_everything_is_refused() {
        for level in
            ["info", "INFO", "off", "info,async_nats=warn", "oktabus=debug", "warn,oktabus::sink=trace"]
        {
            assert_eq!(check_directives(level), Ok(()), "{level}");
        }
        for (level, reason) in [
            (
                "inof",
                "`inof` is not a level: there are error, warn, info, debug, trace and off; did you mean `info`?",
            ),
            (
                "info,oktabus=debg",
                "`debg` is not a level: there are error, warn, info, debug, trace and off; did you mean `debug`?",
            ),
            ("oktabus", "`oktabus` is not a level: there are error, warn, info, debug, trace and off"),
            ("", "`` is not a level: there are error, warn, info, debug, trace and off"),
            (
                "async_nats=warn",
                "`async_nats=warn` leaves out all that oktabus itself says: begin with a level, as in `info,async_nats=warn`",
            ),
        ] {
            assert_eq!(check_directives(level), Err(reason.to_owned()), "{level}");
        }
    }
}
