//! The rows: their names and parameters, what they say of requests, and how many places an action takes.

mod places;
mod rows;
