//! Renders events: JSON lines on standard input, one rendered event a line on standard output.
//!
//! `cargo run -p okta-system-log --example render -- ocsf < events.jsonl`

use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use okta_system_log::{
    event::Events,
    format::{Format, Renderer},
};

fn main() -> io::Result<()> {
    let format = match std::env::args().nth(1).as_deref() {
        Some("okta") => Format::Okta,
        Some("ocsf") => Format::Ocsf,
        Some("ecs") => Format::Ecs,
        Some("udm") => Format::Udm,
        _ => return Err(io::Error::other("say which format: okta, ocsf, ecs or udm")),
    };
    let renderer = Renderer { format, tenant: Some("acme.okta.com".to_owned()), ..Renderer::default() };
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let mut output = io::stdout().lock();
    for line in input.lines().filter(|line| !line.trim().is_empty()) {
        let page = Events::parse(Bytes::from(format!("[{line}]"))).map_err(io::Error::other)?;
        for event in page.iter() {
            output.write_all(&renderer.render(&event, None).bytes)?;
            output.write_all(b"\n")?;
        }
    }
    Ok(())
}
