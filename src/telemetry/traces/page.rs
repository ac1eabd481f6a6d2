//! The trace of one page of a route, from its fetch to the commit of its cursor.

use jiff::Timestamp;

use super::{Tracer, context::TraceContext, span::Span, tracer};

/// The last phase. One commit may be that of many pages.
const COMMIT: &str = "commit";

/// A page on its way. What is dropped before its cursor is committed is told as such: it is read again.
#[derive(Debug)]
pub(crate) struct PageTrace {
    tracer: &'static Tracer,
    span: Span,
    /// When each phase began, in order.
    phases: Vec<(&'static str, Timestamp)>,
    is_committed: bool,
    /// Whether it has anything to deliver: the answer of an idle org is not told.
    has_events: bool,
    /// The pages whose cursor is committed with this one's.
    together: Vec<TraceContext>,
}

impl PageTrace {
    /// A page of `route` is about to be fetched. None: nothing is traced, or not this one.
    pub(crate) fn begin(org: &str, route: &str) -> Option<Box<Self>> {
        let tracer = tracer().filter(|tracer| tracer.takes_new())?;
        let now = Timestamp::now();
        let mut span = Span::new(TraceContext::begin(), None, "page", now);
        span.text("oktabus.route", route);
        span.text("oktabus.org", org);
        let phases = vec![("fetch", now)];
        Some(Box::new(Self {
            tracer,
            span,
            phases,
            is_committed: false,
            has_events: false,
            together: Vec::new(),
        }))
    }

    /// It was fetched, and waits for room.
    pub(crate) fn fetched(&mut self, events: usize, bytes: usize) {
        self.has_events = events > 0;
        self.span.number("oktabus.events", events);
        self.span.number("oktabus.bytes", bytes);
        self.enter("wait");
    }

    /// It has so many messages.
    pub(crate) fn rendered(&mut self, messages: usize) {
        self.span.number("oktabus.messages", messages);
    }

    /// The next phase begins, and the one before ends.
    pub(crate) fn enter(&mut self, phase: &'static str) {
        if self.phases.last().is_some_and(|(last, _)| *last != phase) {
            self.phases.push((phase, Timestamp::now()));
        }
    }

    /// Its cursor is about to be committed, together with these pages, itself among them.
    pub(crate) fn committing(&mut self, all: &[TraceContext]) {
        self.enter(COMMIT);
        self.together = all.iter().filter(|other| **other != self.span.context).copied().collect();
    }

    /// The cursor behind it is durable.
    pub(crate) fn committed(&mut self) {
        self.is_committed = true;
    }

    /// What its messages carry.
    pub(crate) fn context(&self) -> TraceContext {
        self.span.context
    }
}

impl Drop for PageTrace {
    fn drop(&mut self) {
        if !self.has_events {
            return;
        }
        let end = Timestamp::now();
        let (context, parent) = (self.span.context, self.span.context.span);
        let ends = self.phases.iter().skip(1).map(|(_, begin)| *begin).chain([end]);
        for ((phase, start), end) in self.phases.iter().zip(ends) {
            let links = if *phase == COMMIT { std::mem::take(&mut self.together) } else { Vec::new() };
            let span = Span::new(context.child(), Some(parent), *phase, *start);
            self.tracer.send(Span { end, links, ..span });
        }
        let last = self.phases.last().map_or("fetch", |(phase, _)| phase);
        let (phase, error) = match self.is_committed {
            true => ("committed", None),
            false => (last, Some("it was not delivered, and is read again".to_owned())),
        };
        let mut span = self.span.clone();
        span.text("oktabus.phase", phase);
        self.tracer.send(Span { end, error, ..span });
    }
}
