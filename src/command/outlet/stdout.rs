//! Parcels to standard output: one line of JSON each.

use std::io::{self, Write as _};

use super::{OutletError, Parcel};
use crate::{format::push_line, sink::SinkError};

/// Standard output.
#[derive(Debug)]
pub(super) struct StdoutOutlet {
    pub(super) name: String,
}

impl StdoutOutlet {
    pub(super) async fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let mut line = Vec::with_capacity(parcel.payload.len() + 1);
        push_line(&parcel.payload, &mut line);
        let written = tokio::task::spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.flush()
        });
        let written = written.await.unwrap_or_else(|err| Err(io::Error::other(err)));
        written.map_err(|source| {
            let action = "cannot write to standard output".to_owned();
            SinkError::Io { sink: self.name.clone(), action, source }.into()
        })
    }
}
