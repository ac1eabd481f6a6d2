//! Which fields are redacted and how: paths as they are typed, compiled to a tree that is walked along with an event.
//!
//! Rules may contradict each other. What is said in the configuration counts before a preset, what is said of a type
//! before what is said of any, and then what is said more exactly.

use std::collections::{BTreeMap, BTreeSet};

use super::presets::Preset;

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It stays as it is: an exception.
    Keep,
    /// Each text, number and word in it gets a keyed digest of itself in its place.
    Pseudonymize,
    /// Each text in it becomes `***`, each number and word `null`.
    Mask,
    /// It is left out.
    Drop,
}

/// Fields by their paths, with what becomes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    root: Tree,
    is_pseudonymizing: bool,
}

/// Why something cannot be a rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// It names no field.
    #[error(
        "`{0}` is not the path of a field: names with dots between them, such as `client.ipAddress`, \
             `target[].displayName`, `target[User].id` or `debugContext.debugData.*`"
    )]
    Path(String),
    /// The field is needed to identify, order or route an event.
    #[error("`{0}` cannot be redacted: `uuid`, `eventType` and `published` stay as they are")]
    Protected(String),
    /// There are two rules for it.
    #[error("`{0}` stands in two lists, or twice in one")]
    Twice(String),
}

/// Members of an event that no rule can be about.
const PROTECTED: [&str; 3] = ["uuid", "eventType", "published"];

/// One rule where its path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    action: Action,
    rank: Rank,
}

/// Which of two rules counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    source: Source,
    is_typed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Preset,
    Configuration,
    Protection,
}

/// The rules as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tree {
    rule: Option<Rule>,
    members: BTreeMap<String, Tree>,
    /// For members of any name: `*`.
    any: Option<Box<Tree>>,
    types: BTreeMap<String, Tree>,
}

/// One step of a path.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Any,
    Type(&'a str),
}

impl Rules {
    /// Adds what becomes of the field at `path`.
    pub fn add(&mut self, path: &str, action: Action) -> Result<(), RuleError> {
        let steps = steps(path).ok_or_else(|| RuleError::Path(path.to_owned()))?;
        if let Some(Step::Member(name)) = steps.first()
            && PROTECTED.contains(name)
        {
            return Err(RuleError::Protected(path.to_owned()));
        }
        let tree = self.root.at(&steps);
        if tree.rule.is_some_and(|known| known.rank.source == Source::Configuration) {
            return Err(RuleError::Twice(path.to_owned()));
        }
        tree.rule = Some(Rule { action, rank: rank(Source::Configuration, &steps) });
        self.is_pseudonymizing |= action == Action::Pseudonymize;
        Ok(())
    }

    /// Adds what becomes of the fields of `preset`. A field of two presets gets the stricter action.
    pub fn add_preset(&mut self, preset: Preset, action: Action) {
        for path in preset.paths() {
            self.add_of_preset(&path, action);
        }
        for path in preset.exceptions() {
            self.add_of_preset(&path, Action::Keep);
        }
        self.is_pseudonymizing |= action == Action::Pseudonymize;
    }

    /// Whether pseudonyms are to be made, for which a key is needed.
    pub fn are_pseudonymizing(&self) -> bool {
        self.is_pseudonymizing
    }

    fn add_of_preset(&mut self, path: &str, action: Action) {
        let Some(steps) = steps(path) else { return };
        let rule = Rule { action, rank: rank(Source::Preset, &steps) };
        let tree = self.root.at(&steps);
        let gives_way = |known: Rule| known.rank.source == Source::Preset && known.action < action;
        if tree.rule.is_none_or(gives_way) {
            tree.rule = Some(rule);
        }
    }

    pub(super) fn compile(&self) -> Node {
        let mut root = self.root.clone();
        for name in PROTECTED {
            let rank = Rank { source: Source::Protection, is_typed: true };
            let kept = Tree { rule: Some(Rule { action: Action::Keep, rank }), ..Tree::default() };
            root.members.insert(name.to_owned(), kept);
        }
        Node::compile(&[&root], None)
    }
}

impl Tree {
    fn at(&mut self, steps: &[Step<'_>]) -> &mut Self {
        steps.iter().fold(self, |tree, step| match step {
            Step::Member(name) => tree.members.entry((*name).to_owned()).or_default(),
            Step::Any => tree.any.get_or_insert_default(),
            Step::Type(name) => tree.types.entry((*name).to_owned()).or_default(),
        })
    }
}

fn rank(source: Source, steps: &[Step<'_>]) -> Rank {
    Rank { source, is_typed: steps.iter().any(|step| matches!(step, Step::Type(_))) }
}

/// The steps of `path`. Lists are gone through in any case, so `[]` says nothing; `[User]` asks for a type.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for segment in path.split('.') {
        let (name, brackets) =
            segment.split_once('[').map_or((segment, None), |(name, rest)| (name, Some(rest)));
        if name.is_empty() || name.contains(['*', ']']) && name != "*" {
            return None;
        }
        steps.push(if name == "*" { Step::Any } else { Step::Member(name) });
        match brackets.map(|rest| rest.strip_suffix(']')) {
            None | Some(Some("")) => {}
            Some(Some(name)) if !name.contains(['[', ']', '*']) => steps.push(Step::Type(name)),
            Some(_) => return None,
        }
    }
    Some(steps)
}

/// The rules for a value, each already settled against all others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// What becomes of the value, and of what is in it unless the tree goes on there.
    pub(super) action: Option<Action>,
    members: BTreeMap<String, Node>,
    any: Option<Box<Node>>,
    types: BTreeMap<String, Node>,
}

/// `name` without blanks around it and with a small letter at its beginning; None if that is how it is written.
fn as_documented(name: &str) -> Option<String> {
    let trimmed = name.trim_ascii();
    let first = trimmed.chars().next()?;
    if trimmed.len() == name.len() && !first.is_ascii_uppercase() {
        return None;
    }
    Some(first.to_lowercase().chain(trimmed.chars().skip(1)).collect())
}

impl Node {
    /// The rules for the member `name` of an object; without any it goes the way of the object. What readers take for a name that
    /// Okta's documents write, with a capital or a blank, is redacted as that name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members.get(name).or_else(|| self.members.get(&*as_documented(name)?)).or(self.any.as_deref())
    }

    /// Whether a part of the value is to be redacted that is no member of the rest.
    pub(super) fn redacts_parts(&self) -> bool {
        let parts = self.members.values().chain(self.any.as_deref()).chain(self.types.values());
        parts
            .into_iter()
            .any(|part| part.action.is_some_and(|action| action != Action::Keep) || part.redacts_parts())
    }

    /// The rules for an object of type `name`, where they differ from those for any other.
    pub(super) fn of_type(&self, name: &str) -> Option<&Self> {
        self.types.get(name)
    }

    pub(super) fn asks_for_types(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether a part of the value may have another rule than the value.
    pub(super) fn has_rules(&self) -> bool {
        self.any.is_some() || !self.members.is_empty() || !self.types.is_empty()
    }

    /// Settles `trees`, all of which are about the same value, the more exact ones first.
    fn compile(trees: &[&Tree], inherited: Option<Rule>) -> Self {
        // Of equals the first counts, and what is told of the value itself before what is told of what it is in.
        let mut rule = None;
        for told in trees.iter().filter_map(|tree| tree.rule).chain(inherited) {
            if rule.is_none_or(|known: Rule| told.rank > known.rank) {
                rule = Some(told);
            }
        }
        let mut node = Self { action: rule.map(|rule| rule.action), ..Self::default() };
        let anys: Vec<&Tree> = trees.iter().filter_map(|tree| tree.any.as_deref()).collect();
        if !anys.is_empty() {
            node.any = Some(Box::new(Self::compile(&anys, rule)));
        }
        let names: BTreeSet<&String> = trees.iter().flat_map(|tree| tree.members.keys()).collect();
        for name in names {
            let named = trees.iter().filter_map(|tree| tree.members.get(name));
            let member = Self::compile(&named.chain(anys.iter().copied()).collect::<Vec<_>>(), rule);
            // What goes the way of the object anyhow need not be looked up.
            if node.any.is_some() || member.has_rules() || member.action != node.action {
                node.members.insert(name.clone(), member);
            }
        }
        node.compile_types(trees, inherited);
        node
    }

    fn compile_types(&mut self, trees: &[&Tree], inherited: Option<Rule>) {
        let types: BTreeSet<&String> = trees.iter().flat_map(|tree| tree.types.keys()).collect();
        let untyped: Vec<_> =
            trees.iter().map(|tree| Tree { types: BTreeMap::new(), ..Tree::clone(tree) }).collect();
        for name in types {
            let typed = trees.iter().filter_map(|tree| tree.types.get(name));
            let of_type: Vec<_> = typed.chain(&untyped).collect();
            self.types.insert(name.clone(), Self::compile(&of_type, inherited));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", ".", "a.", ".a", "a..b", "a[", "a]", "a[]b", "a[[x]]", "a*", "[]", "a[*]"] {
            assert_eq!(
                Rules::default().add(path, Action::Drop),
                Err(RuleError::Path(path.to_owned())),
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_told_twice_is_refused() {
        let mut rules = Rules::default();
        rules.add_preset(Preset::Personal, Action::Pseudonymize);
        rules.add("client.ipAddress", Action::Mask).unwrap();
        let twice = rules.add("client[].ipAddress", Action::Drop);
        assert_eq!(twice, Err(RuleError::Twice("client[].ipAddress".to_owned())));
    }

    #[test]
    fn the_stricter_of_two_presets_counts_and_the_configuration_before_both() {
        let at = |rules: &Rules, path: &[&str]| {
            let root = rules.compile();
            path.iter().try_fold(&root, |node, name| node.member(name)).and_then(|node| node.action)
        };
        let email = ["debugContext", "debugData", "userEmail"];
        for order in [[Preset::Personal, Preset::Sensitive], [Preset::Sensitive, Preset::Personal]] {
            let mut rules = Rules::default();
            for preset in order {
                let is_personal = preset == Preset::Personal;
                rules.add_preset(preset, if is_personal { Action::Pseudonymize } else { Action::Drop });
            }
            assert_eq!(at(&rules, &email), Some(Action::Drop));
            rules.add("debugContext.debugData.*", Action::Mask).unwrap();
            assert_eq!(at(&rules, &email), Some(Action::Mask));
        }
    }
}
