//! The trace of one command, from its message to its outcome. What happens on its way belongs to the task that works on it, so
//! that the code in between needs to know nothing of traces.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{
    Tracer,
    context::TraceContext,
    span::{Span, SpanKind},
    tracer,
};

/// The names under which a message may carry its context: W3C's, and those of CloudEvents' bindings to Kafka, NATS and HTTP.
const HEADERS: [&str; 3] = ["traceparent", "ce_traceparent", "ce-traceparent"];

tokio::task_local! {
    static CURRENT: CommandTrace;
}

/// A command that is traced.
#[derive(Debug)]
pub(crate) struct CommandTrace {
    tracer: &'static Tracer,
    /// None: its trace is not kept, and is only passed on.
    span: Option<Mutex<Span>>,
    context: TraceContext,
}

/// The publication of an outcome on its way.
#[derive(Debug)]
pub(crate) struct Publishing {
    tracer: &'static Tracer,
    span: Span,
}

impl CommandTrace {
    /// A message with these headers was received. None: nothing is traced, or not this one.
    pub(crate) fn received(headers: &[(String, Bytes)]) -> Option<Self> {
        let tracer = tracer()?;
        let given =
            headers.iter().filter(|(name, _)| HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known)));
        let parent = given.filter_map(|(_, value)| TraceContext::parse(str::from_utf8(value).ok()?)).next();
        let context = match parent {
            Some(parent) if !parent.is_sampled => return Some(Self { tracer, span: None, context: parent }),
            Some(parent) => parent.child(),
            None if tracer.takes_new() => TraceContext::begin(),
            None => return None,
        };
        let parent = parent.map(|parent| parent.span);
        let span =
            Span { kind: SpanKind::Consumer, ..Span::new(context, parent, "command", Timestamp::now()) };
        Some(Self { tracer, span: Some(Mutex::new(span)), context })
    }

    fn span(&self) -> Option<MutexGuard<'_, Span>> {
        // Nothing panics between two changes.
        Some(self.span.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for CommandTrace {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            let span = span.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.tracer.send(Span { end: Timestamp::now(), ..span });
        }
    }
}

/// Works on a command whose action has this name.
pub(crate) async fn working_on<F: Future>(
    trace: CommandTrace,
    commands: &str,
    action: &'static str,
    work: F,
) -> F::Output {
    if let Some(mut span) = trace.span() {
        span.name = format!("command {action}");
        span.text("oktabus.commands", commands);
        span.text("oktabus.action", action);
    }
    CURRENT.scope(trace, work).await
}

/// Something happened to the command of this task.
pub(crate) fn happened(what: &'static str) {
    let note = |trace: &CommandTrace| {
        if let Some(mut span) = trace.span() {
            span.events.push((what, Timestamp::now()));
        }
    };
    // Most tasks have none.
    let _ = CURRENT.try_with(note);
}

/// A request to Okta for the command of this task has just ended, after so long.
pub(crate) fn requested(org: &str, bucket: &'static str, status: Option<u16>, took: Duration) {
    let note = |trace: &CommandTrace| {
        let Some(own) = trace.span().map(|span| span.context) else { return };
        let end = Timestamp::now();
        let took = SignedDuration::try_from(took).unwrap_or_default();
        let start = end.checked_sub(took).unwrap_or(end);
        let mut span = Span::new(own.child(), Some(own.span), format!("okta {bucket}"), start);
        span.text("oktabus.org", org);
        span.text("oktabus.bucket", bucket);
        let error = match status {
            None => Some("no answer".to_owned()),
            Some(status) => {
                span.number("http.response.status_code", usize::from(status));
                (status >= 400).then(|| format!("HTTP status {status}"))
            }
        };
        trace.tracer.send(Span { end, error, kind: SpanKind::Client, ..span });
    };
    let _ = CURRENT.try_with(note);
}

/// The outcome of the command of this task is about to be published: what it carries, and the span if that is kept.
pub(crate) fn publishing(
    status: &'static str,
    error: Option<&str>,
) -> Option<(TraceContext, Option<Publishing>)> {
    let begin = |trace: &CommandTrace| {
        let Some(mut own) = trace.span() else { return (trace.context, None) };
        own.text("oktabus.status", status);
        own.error = error.map(str::to_owned);
        let mut span = Span::new(own.context.child(), Some(own.context.span), "outcome", Timestamp::now());
        span.kind = SpanKind::Producer;
        (span.context, Some(Publishing { tracer: trace.tracer, span }))
    };
    CURRENT.try_with(begin).ok()
}

impl Publishing {
    /// The bus has it.
    pub(crate) fn published(self) {
        self.tracer.send(Span { end: Timestamp::now(), ..self.span });
    }
}
