//! What a bench found, and what it is held against.

use std::borrow::Cow;

/// One figure with its yardstick.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// What was done.
    pub name: Cow<'static, str>,
    /// How fast it went, in `unit`.
    pub figure: f64,
    /// The unit of `figure` and of the budget.
    pub unit: &'static str,
    /// What the machine was asked to do for comparison, in the same run.
    pub yardstick: Cow<'static, str>,
    /// How fast the yardstick went, in `yardstick_unit`.
    pub yardstick_figure: f64,
    /// The unit of `yardstick_figure`.
    pub yardstick_unit: &'static str,
    /// The figure beside the yardstick, in `ratio_unit`: it compares across machines.
    pub ratio: f64,
    /// What the ratio counts, as in "0.5 of a copy", "loads a point", "times the disk's own".
    pub ratio_unit: &'static str,
    /// What the design asks of the figure on a core of a server, if anything.
    pub budget: Option<Budget>,
}

impl Measurement {
    /// Whether the figure is within its budget; `None` without one.
    pub fn meets_budget(&self) -> Option<bool> {
        self.budget.map(|budget| match budget {
            Budget::AtLeast(least) => self.figure >= least,
            Budget::AtMost(most) => self.figure <= most,
            Budget::RatioAtLeast(least) => self.ratio >= least,
        })
    }
}

/// The limit of a figure, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// The more the better.
    AtLeast(f64),
    /// The less the better.
    AtMost(f64),
    /// The more of the yardstick the better: the limit of the ratio.
    RatioAtLeast(f64),
}
