//! The table functions.

use super::SortColumn;

/// The table functions.
#[derive(Clone, Debug, PartialEq)]
pub enum TableFunction {
    /// `COUNT_DISTINCT_ITEMS_TUMBLING(cursor, 'column', seconds)`: one row `NUMBER_OF_DISTINCT_ITEMS BIGINT` for each
    /// window aligned to the epoch that holds a non-null item, with the window's end as ROWTIME.
    CountDistinctItems {
        /// Which column of the cursor.
        column: usize,
        /// Length of a window in milliseconds.
        period: i64,
    },
    /// `TOP_K_ITEMS_TUMBLING(cursor, 'column', k, seconds)`: for each window aligned to the epoch up to `k` rows
    /// `ITEM VARCHAR(1024), ITEM_COUNT BIGINT`, the most frequent item first, of equal ones the first seen, with the window's
    /// end as ROWTIME. NULL is no item.
    TopItems {
        /// Which column of the cursor.
        column: usize,
        /// How many rows at most.
        k: usize,
        /// Length of a window in milliseconds.
        period: i64,
    },
    /// `GROUP_RANK(…)`: all columns of the cursor, then the rank INTEGER of the row among those of its ROWTIME.
    GroupRank(GroupRankCall),
    /// `HOTSPOTS(…)`: all columns of the cursor, then HOTSPOTS_RESULT VARCHAR, one row for each row.
    Hotspots(HotspotsCall),
    /// RANDOM_CUT_FOREST and RANDOM_CUT_FOREST_WITH_EXPLANATION: all columns of the cursor, then ANOMALY_SCORE DOUBLE
    /// (and ANOMALY_EXPLANATION VARCHAR), one row for each row.
    RandomCutForest(RandomCutForestCall),
}

/// Parameters of a random cut forest.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomCutForestCall {
    /// The numeric columns of the cursor that take part, with their names in order.
    pub columns: Vec<usize>,
    /// 1 to 1000.
    pub number_of_trees: u32,
    /// 10 to 1000.
    pub sub_sample_size: u32,
    /// 1 to 2147483647, more than `sub_sample_size`.
    pub time_decay: u32,
    /// 1 to 30.
    pub shingle_size: u32,
    /// `Some(with_directionality)` for RANDOM_CUT_FOREST_WITH_EXPLANATION.
    pub explanation: Option<bool>,
}

/// Parameters of GROUP_RANK.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRankCall {
    /// By what rows are ranked; equal values share a rank, and the next rank counts them.
    pub key: SortColumn,
    /// The order of the rows of a group by rank; that of arrival when absent.
    pub output: Option<RankOrder>,
    /// Most rows of a group that leave; all when absent.
    pub output_max: Option<usize>,
}

/// The order of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankOrder {
    /// The first rank first.
    Ascending,
    /// The last rank first.
    Descending,
}

/// Parameters of HOTSPOTS.
#[derive(Clone, Debug, PartialEq)]
pub struct HotspotsCall {
    /// The numeric columns of the cursor that take part, in order.
    pub columns: Vec<usize>,
    /// How many of the latest rows are considered: 100 to 1000.
    pub window_size: usize,
    /// How near rows of a hotspot are to each other, > 0.
    pub scan_radius: f64,
    /// How many rows are near each other in a hotspot: 2 to `window_size`.
    pub minimum_points: usize,
}
