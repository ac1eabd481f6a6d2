//! Questions at a terminal: on standard error, so that standard output is for results.

use std::io::{self, Write as _};

use super::choices::ChoicesError;

/// How often a choice that is none is asked for again.
const ATTEMPTS: usize = 5;

/// Asks for a text; an empty answer is the default.
pub(super) fn text(question: &str, default: Option<&str>) -> Result<String, ChoicesError> {
    for _ in 0..ATTEMPTS {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        let answer = answer(&format!("{question}{shown}: "))?;
        match (answer.as_str(), default) {
            ("", Some(default)) => return Ok(default.to_owned()),
            ("", None) => {}
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
    Err(ChoicesError::Unanswered(question.to_owned()))
}

/// Asks for one of `words`, by itself or its number; the first is the default.
pub(super) fn choice(question: &str, words: &[&str]) -> Result<String, ChoicesError> {
    let listed = words.iter().enumerate().map(|(index, word)| format!("  {}) {word}\n", index + 1));
    let listed: String = listed.collect();
    for _ in 0..ATTEMPTS {
        let answer = answer(&format!("{question}\n{listed}[1]: "))?;
        let by_number = || words.get(answer.parse::<usize>().ok()?.checked_sub(1)?);
        let chosen = match answer.as_str() {
            "" => words.first(),
            word => words.iter().find(|known| **known == word).or_else(by_number),
        };
        if let Some(chosen) = chosen {
            return Ok((*chosen).to_owned());
        }
    }
    Err(ChoicesError::Unanswered(question.to_owned()))
}

fn answer(prompt: &str) -> Result<String, ChoicesError> {
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Err(ChoicesError::Unanswered(prompt.trim().to_owned()));
    }
    Ok(line.trim().to_owned())
}
