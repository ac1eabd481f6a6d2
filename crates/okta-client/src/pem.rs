//! PEM as it comes out of web forms, environment variables and editors: on one line, with `\n` written out, with blanks
//! for line breaks, indented, with the line ends of Windows. Does not know what the sections contain.

use secrecy::{ExposeSecret as _, SecretString};

/// One section of PEM.
pub struct Section {
    /// Its label, such as `PRIVATE KEY`.
    pub label: String,
    /// Its content on one line: Base64, after headers if there are any.
    pub body: SecretString,
}

impl Section {
    /// The section in the standard form, with lines of 64 characters.
    pub fn to_pem(&self) -> SecretString {
        const LINE: usize = 64;
        let body = self.body.expose_secret();
        // Allocated at its full size, so that growing leaves no copy in memory.
        let mut text = String::with_capacity(body.len() + body.len() / LINE + 2 * self.label.len() + 64);
        text.extend(["-----BEGIN ", &self.label, "-----\n"]);
        for (at, character) in body.chars().enumerate() {
            if at > 0 && at % LINE == 0 {
                text.push('\n');
            }
            text.push(character);
        }
        text.extend(["\n-----END ", &self.label, "-----\n"]);
        SecretString::from(text)
    }
}

/// The complete sections in `text`, in order.
pub fn sections(text: &str) -> Vec<Section> {
    const BORDER: &str = "-----";
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once(BORDER) else { break };
        let Some((body, after)) = after.split_once(&format!("-----END {label}{BORDER}")) else { break };
        sections.push(Section { label: label.to_owned(), body: SecretString::from(joined(body)) });
        rest = after;
    }
    sections
}

/// `text` without line breaks, real or written out, and without blanks.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_written_out = character == '\\' && rest.next_if(|next| matches!(next, 'n' | 'r')).is_some();
        if !is_written_out && !character.is_whitespace() {
            joined.push(character);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(section: &Section) -> String {
        section.to_pem().expose_secret().to_owned()
    }

    #[test]
    fn one_section_is_the_same_in_all_its_forms() {
        let body = SecretString::from("QUJD".repeat(40));
        let good = pem(&Section { label: "PRIVATE KEY".to_owned(), body });
        assert!(good.lines().all(|line| line.len() <= 64));
        for form in [
            good.clone(),
            good.replace('\n', "\\n"),
            good.replace('\n', "\\r\\n"),
            good.replace('\n', " "),
            good.replace('\n', "\r\n"),
            format!("\u{feff}{good}"),
            good.lines().map(|line| format!("    {line}\n")).collect(),
            format!("\"{}\"", good.replace('\n', "\\n")),
        ] {
            let read = sections(&form);
            assert_eq!(read.len(), 1, "{form}");
            assert_eq!(pem(&read[0]), good, "{form}");
        }
    }

    #[test]
    fn what_is_cut_short_is_no_section() {
        assert!(sections("-----BEGIN PRIVATE KEY-----\nQUJD\n").is_empty());
        assert!(sections("-----BEGIN PRIVATE KEY").is_empty());
        let two = "-----BEGIN EC PARAMETERS-----\nQUJD\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nREVG\n-----END EC PRIVATE KEY-----\n";
        assert_eq!(
            sections(two).iter().map(|section| section.label.as_str()).collect::<Vec<_>>(),
            ["EC PARAMETERS", "EC PRIVATE KEY"]
        );
    }
}
