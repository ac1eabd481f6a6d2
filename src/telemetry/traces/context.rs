//! Which trace and which span, as `traceparent` says it (W3C Trace Context, level 2). Pure.

use std::fmt;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    /// Whether spans of the trace are kept.
    pub(crate) is_sampled: bool,
}

impl TraceContext {
    /// The beginning of a new trace that is kept.
    pub(crate) fn begin() -> Self {
        Self { trace: fastrand::u128(1..), span: fastrand::u64(1..), is_sampled: true }
    }

    /// A new span of the same trace.
    pub(crate) fn child(self) -> Self {
        Self { span: fastrand::u64(1..), ..self }
    }

    /// Reads the value of a header. What is not as it must be is no context.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let mut next = |digits: usize| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            fields.next().filter(|field| field.len() == digits && field.bytes().all(is_digit))
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        // Later versions may say more behind it; this one does not.
        if version == "ff" || (version == "00" && fields.next().is_some()) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace > 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span > 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, is_sampled } = self;
        write!(formatter, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_written_as_it_is_read() {
        let read = TraceContext::parse(TEXT).unwrap();
        assert!(read.is_sampled);
        assert_eq!(read.to_string(), TEXT);
        let child = read.child();
        assert!(child.trace == read.trace && child.span != read.span);
        let unsampled = TraceContext::parse(&TEXT.replace("-01", "-02")).unwrap();
        assert!(!unsampled.is_sampled);
        assert!(TraceContext::parse(&format!("{}-more", TEXT.replace("00-4", "01-4"))).is_some());
        assert_eq!(
            TraceContext::parse(&TraceContext::begin().to_string()).map(|read| read.is_sampled),
            Some(true)
        );
    }

    #[test]
    fn what_is_no_context_is_none() {
        for text in [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}0"),
            &format!("{TEXT}-00"),
            &TEXT.replace("00-4", "ff-4"),
            &TEXT.to_uppercase(),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }
}
