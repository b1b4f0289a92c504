//! What could not be read of a file: so that its mistakes are reported once, and nothing that follows from them.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// Which sections are not as their author meant them.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Where each section begins.
    sections: BTreeSet<usize>,
    /// Those in which something was skipped.
    incomplete: BTreeSet<usize>,
    /// Names in sections that could not be read at all.
    lost_names: HashSet<String>,
}

impl Gaps {
    pub(super) fn new(sections: BTreeSet<usize>) -> Gaps {
        Gaps { sections, ..Gaps::default() }
    }

    /// Where the section begins that a place is in.
    pub(super) fn section_at(&self, place: usize) -> Option<usize> {
        self.sections.range(..=place).next_back().copied()
    }

    /// Something was skipped at a place.
    pub(super) fn leave_out(&mut self, place: usize) {
        self.incomplete.extend(self.section_at(place));
    }

    /// A section of this name was skipped.
    pub(super) fn lose(&mut self, name: &str) {
        self.lost_names.insert(name.to_owned());
    }

    /// Whether everything in the section around a place was read: only then can something be missing in it.
    pub(super) fn is_whole(&self, place: &Range<usize>) -> bool {
        self.section_at(place.start).is_none_or(|section| !self.incomplete.contains(&section))
    }

    /// Whether a section of this name was skipped.
    pub(super) fn is_lost(&self, name: &str) -> bool {
        self.lost_names.contains(name)
    }

    /// The place of a value that stands for a missing one: nobody wrote it.
    pub(super) fn substitute(section: usize) -> Range<usize> {
        section..section
    }

    /// Whether a place is that of a value that stands for a missing one.
    pub(super) fn is_substitute(&self, place: &Range<usize>) -> bool {
        place.is_empty() && self.incomplete.contains(&place.start)
    }
}
