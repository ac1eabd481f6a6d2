//! How much of an event is rendered: all of it, unless the bus takes less.

/// A rung of the ladder, from all to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything.
    Full,
    /// Without Okta's own event beside the rendered one.
    WithoutRawData {
        /// What the event has with everything.
        full_bytes: usize,
    },
    /// Without Okta's debug data too, the largest part of what is not mapped.
    WithoutDebugData {
        /// What the event has with everything.
        full_bytes: usize,
    },
    /// What is mapped alone, with short texts and lists.
    Essential {
        /// What the event has with everything.
        full_bytes: usize,
    },
}

/// What texts and lists have at most where only the essential is rendered.
const ESSENTIAL_TEXT_BYTES: usize = 512;
const ESSENTIAL_ELEMENTS: usize = 16;

impl Detail {
    /// The rungs below [`Detail::Full`], one after another.
    pub(super) fn less_than_full(full_bytes: usize) -> [Self; 3] {
        [
            Self::WithoutRawData { full_bytes },
            Self::WithoutDebugData { full_bytes },
            Self::Essential { full_bytes },
        ]
    }

    /// What the event has with everything, where something is missing.
    pub(super) fn full_bytes(self) -> Option<usize> {
        match self {
            Self::Full => None,
            Self::WithoutRawData { full_bytes }
            | Self::WithoutDebugData { full_bytes }
            | Self::Essential { full_bytes } => Some(full_bytes),
        }
    }

    pub(super) fn text_bytes_max(self) -> usize {
        if self.is_essential() { ESSENTIAL_TEXT_BYTES } else { usize::MAX }
    }

    pub(super) fn elements_max(self) -> usize {
        if self.is_essential() { ESSENTIAL_ELEMENTS } else { usize::MAX }
    }

    /// Whether Okta's debug data goes along.
    pub(super) fn has_debug_data(self) -> bool {
        matches!(self, Self::Full | Self::WithoutRawData { .. })
    }

    /// Whether what is mapped goes alone.
    pub(super) fn is_essential(self) -> bool {
        matches!(self, Self::Essential { .. })
    }
}
