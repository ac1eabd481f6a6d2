//! The map of fields: where each field of Okta's stands in OCSF, in ECS and in UDM. For people and programs that translate rules;
//! the mapping itself does not read it.
//!
//! `fields.csv` is written by the test of this module from what the formats do with an event, and compared with it: all but
//! the last column, the words on how a value is converted, which are ours.

#[cfg(test)]
mod tests;

/// The columns: Okta's path, the three of OCSF, of ECS and of UDM, and how values are converted. Several paths are parted by
/// a blank.
const TABLE: &str = include_str!("../fields.csv");
const COLUMNS: usize = 11;

/// A field of Okta, and where it stands in the formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMapping {
    /// Its path in an event, without positions in arrays, for example `actor.alternateId` or `target.id`.
    pub okta: String,
    /// The type of target that the row is about, for a member of `target`; `*` stands for all other types.
    pub target_type: Option<&'static str>,
    /// Where it stands in OCSF: which of them depends on the class of the event.
    pub ocsf: Place,
    /// Where it stands in ECS.
    pub ecs: Place,
    /// Where it stands in UDM. A label is told by its key, `detection_fields["dtHash"]`.
    pub udm: Place,
    /// How values are converted, where they are.
    pub conversion: &'static str,
}

/// Where a field stands in a format. Lists of addresses, users and observables that repeat it are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The paths that have the value as Okta wrote it, without positions in arrays. No event has it at none of them, and
    /// none of them can be left out: which it is depends on what the event is.
    pub same: Vec<&'static str>,
    /// Paths that repeat it in some events.
    pub also: Vec<&'static str>,
    /// Paths whose value is made from it.
    pub made: Vec<&'static str>,
}

/// All fields, in the order of an event.
pub fn fields() -> impl Iterator<Item = FieldMapping> {
    TABLE.lines().skip(1).filter_map(FieldMapping::read)
}

/// The paths of a cell. The key of a label may have blanks in it: `detection_fields["Risk Level"]`.
fn paths(cell: &'static str) -> Vec<&'static str> {
    let mut is_key = false;
    let is_between = |letter: char| {
        is_key ^= letter == '"';
        letter == ' ' && !is_key
    };
    cell.split(is_between).filter(|path| !path.is_empty()).collect()
}

impl FieldMapping {
    fn read(line: &'static str) -> Option<Self> {
        let columns: Vec<_> = line.splitn(COLUMNS, ',').collect();
        let [okta, ocsf, ocsf_also, ocsf_made, ecs, ecs_also, ecs_made, udm, udm_also, udm_made, conversion] =
            columns[..]
        else {
            return None;
        };
        let place = |columns: [&'static str; 3]| {
            let [same, also, made] = columns.map(paths);
            Place { same, also, made }
        };
        let (okta, target_type) = match okta.strip_prefix("target[").and_then(|rest| rest.split_once(']')) {
            Some((target_type, member)) => (["target", member].concat(), Some(target_type)),
            None => (okta.to_owned(), None),
        };
        Some(Self {
            okta,
            target_type,
            ocsf: place([ocsf, ocsf_also, ocsf_made]),
            ecs: place([ecs, ecs_also, ecs_made]),
            udm: place([udm, udm_also, udm_made]),
            conversion,
        })
    }
}
