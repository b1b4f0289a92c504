//! Counting: each id once.

/// How often each id was seen.
pub(crate) struct Counts {
    what: String,
    counts: Vec<u32>,
    /// Ids that nobody has ever sent.
    strange: Vec<u64>,
    previous: Option<u64>,
    /// Ids that came behind a higher one: the first.
    disorder: Option<(u64, u64)>,
}

impl Counts {
    /// Of ids from 0 up to `ids`.
    pub(crate) fn new(what: impl Into<String>, ids: u64) -> Counts {
        let counts = vec![0; ids as usize];
        Counts { what: what.into(), counts, strange: Vec::new(), previous: None, disorder: None }
    }

    pub(crate) fn see(&mut self, id: u64) {
        match self.counts.get_mut(id as usize) {
            Some(count) => *count += 1,
            None => self.strange.push(id),
        }
        if let Some(previous) = self.previous.filter(|previous| *previous >= id) {
            self.disorder.get_or_insert((previous, id));
        }
        self.previous = Some(id);
    }

    /// Another object begins: its ids have an order of their own.
    pub(crate) fn begin(&mut self) {
        self.previous = None;
    }

    /// How often an id was seen.
    pub(crate) fn of(&self, id: u64) -> u32 {
        self.counts[id as usize]
    }

    /// What is wrong, when each of these ids is to be there once, and no other.
    pub(crate) fn mistakes(&self, is_expected: impl Fn(u64) -> bool) -> Vec<String> {
        let ids = || (0..).zip(&self.counts).map(|(id, count): (u64, &u32)| (id, *count));
        let missing: Vec<u64> =
            ids().filter(|(id, count)| *count == 0 && is_expected(*id)).map(|(id, _)| id).collect();
        let repeated: Vec<u64> = ids().filter(|(_, count)| *count > 1).map(|(id, _)| id).collect();
        let wrong: Vec<u64> =
            ids().filter(|(id, count)| *count > 0 && !is_expected(*id)).map(|(id, _)| id).collect();
        let lists = [
            ("missing", &missing),
            ("there more than once", &repeated),
            ("not to be there", &wrong),
            ("unknown", &self.strange),
        ];
        let lists = lists.into_iter().filter(|(_, ids)| !ids.is_empty());
        let mut mistakes: Vec<String> = lists
            .map(|(what, ids)| {
                let shown: Vec<String> = ids.iter().take(5).map(u64::to_string).collect();
                format!("{}: {} ids are {what}: {}", self.what, ids.len(), shown.join(", "))
            })
            .collect();
        if let Some((one, next)) = self.disorder {
            mistakes.push(format!("{}: id {next} comes behind {one}", self.what));
        }
        mistakes
    }

    /// The same where records of several shards have no common order.
    pub(crate) fn mistakes_in_any_order(&mut self, is_expected: impl Fn(u64) -> bool) -> Vec<String> {
        self.disorder = None;
        self.mistakes(is_expected)
    }
}
