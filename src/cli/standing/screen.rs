//! The terminal as a screen that is drawn anew: another page of it while this lives, and keys that are not echoed. What was there
//! before is there again afterwards, however it ends.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// To the upper left corner.
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// A screen.
#[derive(Debug)]
pub(in crate::cli) struct Screen {
    /// How keys were treated before.
    before: Option<Termios>,
}

/// How many columns the terminal has; none if standard output is none.
pub(in crate::cli) fn terminal_width() -> Option<usize> {
    size().map(|(columns, _)| columns)
}

/// Columns and rows.
fn size() -> Option<(usize, usize)> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)?;
    Some((size.ws_col.into(), size.ws_row.into()))
}

impl Screen {
    /// Takes the terminal over, if standard output is one.
    pub(in crate::cli) fn enter() -> Option<Self> {
        size()?;
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut keys = before.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // Without it keys need Enter.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &keys);
        }
        write(ENTER);
        Some(Self { before })
    }

    /// Shows `text` in place of what was shown, as far as there is room.
    pub(in crate::cli) fn show(&self, text: &str) {
        let rows = size().map_or(usize::MAX, |(_, rows)| rows);
        let lines: Vec<_> = text.lines().take(rows).map(|line| format!("{line}{CLEAR_LINE}")).collect();
        write(&format!("{HOME}{}{CLEAR_BELOW}", lines.join("\r\n")));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Writes to the terminal; whether it can be shown is not ours to mend. Colours go by NO_COLOR and the like.
fn write(text: &str) {
    // The commands to the screen are none of colour, and pass.
    let colours = anstream::AutoStream::choice(&io::stdout());
    let text = match colours {
        anstream::ColorChoice::Never => without_colours(text),
        _ => text.to_owned(),
    };
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// `text` without what sets colours (`ESC [ … m`), and with what else commands the screen.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |end| end + 1);
        let (command, behind) = after.split_at(end);
        if !command.ends_with('m') {
            plain.push_str("\u{1b}[");
            plain.push_str(command);
        }
        rest = behind;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out_and_the_screen_is_commanded_still() {
        assert_eq!(without_colours("\u{1b}[H\u{1b}[1;31mbad\u{1b}[0m\u{1b}[K\n"), "\u{1b}[Hbad\u{1b}[K\n");
        assert_eq!(without_colours("a\u{1b}["), "a\u{1b}[");
    }
}
