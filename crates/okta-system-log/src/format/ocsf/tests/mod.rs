//! What a user of a SIEM relies on, shown on whole events. Whether an event is valid is for the judges in
//! `tests/it/format`.

mod facts;
mod odd;
mod parties;
