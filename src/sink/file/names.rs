//! Who may read files of events, and their names made of route names.

/// Events tell of persons: the owner writes, the group may read, and nobody else.
pub(in crate::sink) const FILE_MODE: u32 = 0o640;

/// The part of a file's name that stands for `route`. Route names have no dot, so no two routes share a stem.
pub(in crate::sink) fn file_stem(route: &str) -> String {
    route.replace('/', ".")
}
