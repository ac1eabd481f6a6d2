//! The mark of an unfinished import: a file beside the store, from the start of an import until a state is open again. If a
//! store is refused while the file is there, the import has likely left it so, and repeating the import repairs it. Decides
//! nothing about trust.

use std::{fs, path::Path};

use super::{database::Database, open::open};
use crate::state::{Opening, StateError, StatePaths, disk};

/// The file, in the state directory.
const MARK: &str = "unfinished-import";
const MEANING: &[u8] = b"`oktabus state import` was begun, and no state was opened since\n";

/// Opens the state at `paths`. An import that does not finish leaves its mark.
pub(super) fn open_marked(paths: StatePaths, opening: Opening) -> Result<Database, StateError> {
    let mark = paths.directory.join(MARK);
    if matches!(opening, Opening::With(_)) {
        disk::create_directory(&paths.directory)?;
        disk::require_own(&paths.directory)?;
        disk::replace(&mark, MEANING)?;
    }
    let opened = open(paths, opening);
    let is_over = match &opened {
        Ok(_) => true,
        // The daemon has the store open, so nothing was changed.
        Err(err) => matches!(err, StateError::Locked(_)),
    };
    if is_over && mark.exists() {
        fs::remove_file(&mark).map_err(disk::io_error("remove", &mark))?;
    }
    opened
}

/// Whether an import was begun in this state directory and has not come to its end.
pub fn is_import_unfinished(directory: &Path) -> bool {
    directory.join(MARK).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Contents;

    #[test]
    fn an_import_that_was_cut_short_leaves_a_mark_until_a_state_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let paths = || StatePaths::within(path.to_owned());
        open_marked(paths(), Opening::Trusted).unwrap().close().unwrap();
        assert!(!is_import_unfinished(path));
        // Cut short where the old store is aside and the new one not in its place.
        fs::write(path.join(MARK), MEANING).unwrap();
        fs::rename(path.join("store"), path.join("store.before-import-x")).unwrap();
        assert!(matches!(open_marked(paths(), Opening::Existing), Err(StateError::Refused(_))));
        assert!(is_import_unfinished(path), "a refusal changes nothing");
        let imported = open_marked(paths(), Opening::With(Contents::default())).unwrap();
        assert!(!is_import_unfinished(path));
        // Somebody has it.
        assert!(open_marked(paths(), Opening::With(Contents::default())).is_err());
        assert!(!is_import_unfinished(path));
        imported.close().unwrap();
    }
}
