//! The small grammar of random programs: one pump over the input `S`.

use crate::aggregates::{AGGREGATES, Aggregate, POSITIONAL};
use crate::rows::Row;
use millstream_sql::Value;
use proptest::prelude::*;

/// A query with the columns of the stream that takes its rows.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    Tumbling(Tumbling),
    Staggered(Staggered),
    Sliding(Sliding),
    /// Queries whose rows are not computed a second time: columns of the target, text.
    Other(&'static str, &'static str),
    /// Several statements.
    Application(&'static str),
}

/// Which columns tell groups or partitions apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keys {
    None,
    K,
    N,
    /// Two columns at once.
    KAndB,
}

impl Keys {
    fn columns(self) -> &'static [(usize, &'static str, &'static str)] {
        match self {
            Keys::None => &[],
            Keys::K => &[(0, "K", "VARCHAR(40)")],
            Keys::N => &[(1, "N", "INTEGER")],
            Keys::KAndB => &[(0, "K", "VARCHAR(40)"), (3, "B", "BOOLEAN")],
        }
    }

    /// The values of the keys of a row.
    pub(crate) fn of(self, row: &Row) -> Vec<Value> {
        self.columns().iter().map(|(column, ..)| row.value(*column)).collect()
    }

    fn names(self) -> Vec<&'static str> {
        self.columns().iter().map(|(_, name, _)| *name).collect()
    }
}

/// GROUP BY keys and a step of ROWTIME.
#[derive(Clone, Debug)]
pub(crate) struct Tumbling {
    pub(crate) keys: Keys,
    /// Seconds.
    pub(crate) step: i64,
    pub(crate) aggregates: Vec<usize>,
    /// WHERE N > 0.
    pub(crate) filtered: bool,
}

/// WINDOWED BY STAGGER.
#[derive(Clone, Debug)]
pub(crate) struct Staggered {
    pub(crate) keys: Keys,
    /// Seconds.
    pub(crate) range: i64,
    pub(crate) aggregates: Vec<usize>,
}

/// The frame of a sliding window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame {
    /// The rows of so many milliseconds, and the current one.
    Range(i64),
    /// So many rows and the current one.
    Rows(usize),
    Unbounded,
}

/// Calls over windows.
#[derive(Clone, Debug)]
pub(crate) struct Sliding {
    /// Two windows with different frames in one select.
    pub(crate) windows: [(Keys, Frame); 2],
    /// Place in the list of functions, and which window.
    pub(crate) calls: Vec<(usize, usize)>,
}

/// The functions of windows: aggregates, then those that look at positions.
pub(crate) fn window_function(place: usize) -> &'static Aggregate {
    AGGREGATES.get(place).unwrap_or_else(|| &POSITIONAL[place - AGGREGATES.len()])
}

const OTHER: [(&str, &str); 26] = [
    (
        "N BIGINT, Q BIGINT",
        "SELECT STREAM COUNT(*), SUM(10 / N) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND)",
    ),
    (
        "A INTEGER",
        "SELECT STREAM SUM(N) / COUNT(D) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '5' SECOND)",
    ),
    ("A INTEGER, N BIGINT", "SELECT STREAM MONOTONIC(N), COUNT(*) FROM S GROUP BY MONOTONIC(N), K"),
    ("K VARCHAR(40), N BIGINT", "SELECT STREAM K, COUNT(*) FROM S GROUP BY S.ROWTIME, K HAVING COUNT(*) > 1"),
    (
        "N BIGINT",
        "SELECT STREAM NUMBER_OF_DISTINCT_ITEMS FROM TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(SELECT STREAM K FROM S), 'K', 5))",
    ),
    (
        "N BIGINT",
        "SELECT STREAM NUMBER_OF_DISTINCT_ITEMS FROM TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(SELECT STREAM D FROM S WHERE N > 0), 'D', 5))",
    ),
    (
        "K VARCHAR(40), D DOUBLE",
        "SELECT STREAM K, ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM K, N, D FROM S), 10, 10, 30, 1))",
    ),
    (
        "D DOUBLE",
        "SELECT STREAM ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM D FROM S WHERE D IS NOT NULL), 5, 10, 20, 3))",
    ),
    (
        "D DOUBLE, W VARCHAR(512)",
        "SELECT STREAM ANOMALY_SCORE, ANOMALY_EXPLANATION FROM TABLE(RANDOM_CUT_FOREST_WITH_EXPLANATION(CURSOR(SELECT STREAM N, D FROM S WHERE N < 100), 5, 10, 20, 1, TRUE))",
    ),
    (
        "D DOUBLE",
        "SELECT STREAM EXP_AVG(D, INTERVAL '2' SECOND) OVER (PARTITION BY K RANGE INTERVAL '5' SECOND PRECEDING) FROM S",
    ),
    (
        "T TIMESTAMP, A BIGINT",
        "SELECT STREAM CURRENT_ROW_TIMESTAMP, SUM(C) OVER (RANGE INTERVAL '30' SECOND PRECEDING) FROM (SELECT STREAM COUNT(*) AS C FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND))",
    ),
    (
        "T TIMESTAMP, N INTEGER NOT NULL",
        "SELECT STREAM S.ROWTIME - N * INTERVAL '1' SECOND AS ROWTIME, S.ROWTIME, N FROM S WHERE N < 100",
    ),
    ("K VARCHAR(40), M TIMESTAMP", "SELECT STREAM DISTINCT K, FLOOR(S.ROWTIME TO MINUTE) FROM S"),
    ("K VARCHAR(40), N INTEGER, R TIMESTAMP", "SELECT STREAM DISTINCT K, N, ROWTIME FROM S"),
    (
        "K VARCHAR(40), N INTEGER",
        "SELECT STREAM K, N FROM S ORDER BY FLOOR(S.ROWTIME TO SECOND), N, K DESC, 10 / N",
    ),
    ("K VARCHAR(40), D DOUBLE", "SELECT STREAM K, D FROM S ORDER BY S.ROWTIME, D DESC NULLS LAST, K"),
    ("K VARCHAR(40)", "SELECT STREAM K FROM S ORDER BY FLOOR(S.ROWTIME TO MONTH), E, B"),
    (
        "K VARCHAR(40), N BIGINT",
        "SELECT STREAM K, COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '5' SECOND) ORDER BY STEP(S.ROWTIME BY INTERVAL '5' SECOND), COUNT(*) DESC",
    ),
    ("K VARCHAR(40), N INTEGER", "SELECT STREAM K, N FROM S ORDER BY MONOTONIC(N), K"),
    (
        "N INTEGER, K VARCHAR(40)",
        "SELECT STREAM N, K, ETS AS ROWTIME FROM (SELECT STREAM N, K, S.ROWTIME - N * INTERVAL '1' SECOND AS ETS FROM S WHERE N < 100 OR N IS NULL) ORDER BY ETS WITHIN INTERVAL '3' SECOND",
    ),
    (
        "N INTEGER, K VARCHAR(40)",
        "SELECT STREAM N, K, ETS AS ROWTIME FROM (SELECT STREAM N, K, S.ROWTIME - N * INTERVAL '1' SECOND AS ETS FROM S WHERE N < 100 OR N IS NULL) ORDER BY ETS WITHIN INTERVAL '3' SECOND, K DESC, N",
    ),
    (
        "I VARCHAR(40), C BIGINT",
        "SELECT STREAM * FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM K, N FROM S), 'N', 2, 5))",
    ),
    (
        "I VARCHAR(40), C BIGINT",
        "SELECT STREAM * FROM TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM K FROM S WHERE N > 0), 'K', 9, 60))",
    ),
    (
        "K VARCHAR(40), N INTEGER, R INTEGER",
        "SELECT STREAM * FROM TABLE(GROUP_RANK(CURSOR(SELECT STREAM K, N FROM S), 'N', 'R', 'desc', 'asc', 0, 3))",
    ),
    (
        "K VARCHAR(40), R VARCHAR(999)",
        "SELECT STREAM K, HOTSPOTS_RESULT FROM TABLE(HOTSPOTS(CURSOR(SELECT STREAM K, N, D FROM S WHERE N < 100), 100, 1.5, 3))",
    ),
    (
        "A VARCHAR(40), N INTEGER",
        "SELECT STREAM Q.R.A, Q.R.B FROM (SELECT STREAM VARIABLE_COLUMN_LOG_PARSE(K || ',' || CAST(N AS VARCHAR(12)), 'A TYPE VARCHAR(3), B TYPE INTEGER NOT NULL', ',') AS R FROM S) AS Q",
    ),
];

/// Several pumps: chains, and several writers of one stream.
const APPLICATIONS: [&str; 7] = [
    "CREATE STREAM A (K VARCHAR(40), C BIGINT);
     CREATE PUMP P AS INSERT INTO A SELECT STREAM K, COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '1' SECOND);
     CREATE STREAM T (K VARCHAR(40), C BIGINT);
     CREATE PUMP Q AS INSERT INTO T SELECT STREAM K, SUM(C) FROM A WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '5' SECOND);",
    "CREATE STREAM T (K VARCHAR(40), C BIGINT);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM K, COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '1' SECOND);
     CREATE PUMP Q AS INSERT INTO T SELECT STREAM K, 100 / N FROM S;
     CREATE PUMP R AS INSERT INTO T (C) SELECT STREAM N FROM S WHERE B;",
    "CREATE STREAM A (N INTEGER NOT NULL);
     CREATE PUMP P AS INSERT INTO A SELECT STREAM N FROM S WHERE B;
     CREATE PUMP Q AS INSERT INTO A SELECT STREAM N + 1 FROM S WHERE NOT B;
     CREATE STREAM T (N BIGINT);
     CREATE PUMP R AS INSERT INTO T SELECT STREAM SUM(N) OVER (ROWS 2 PRECEDING) FROM A;",
    "CREATE STREAM A (N INTEGER);
     CREATE PUMP P AS INSERT INTO A SELECT STREAM N FROM S WHERE B;
     CREATE PUMP Q AS INSERT INTO A SELECT STREAM N + 1 FROM S WHERE NOT B;
     CREATE STREAM C (N BIGINT);
     CREATE PUMP X AS INSERT INTO C SELECT STREAM COUNT(*) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '5' SECOND);
     CREATE STREAM T (N BIGINT, R TIMESTAMP);
     CREATE PUMP Y AS INSERT INTO T SELECT STREAM N, ROWTIME FROM C;",
    "CREATE STREAM T (K VARCHAR(40), N INTEGER, M INTEGER);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM A.K, A.N, B.N FROM S OVER (RANGE INTERVAL '5' SECOND PRECEDING) AS A
       FULL JOIN S OVER (ROWS 2 PRECEDING) AS B ON A.K = B.K AND A.N <> B.N;",
    "CREATE STREAM T (K VARCHAR(40), N INTEGER);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM K, N FROM S WHERE B UNION ALL SELECT STREAM K, 10 / N FROM S;",
    "CREATE STREAM A (K VARCHAR(40), C BIGINT);
     CREATE PUMP P AS INSERT INTO A SELECT STREAM K, COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '1' SECOND);
     CREATE STREAM T (K VARCHAR(40), C BIGINT, N INTEGER);
     CREATE PUMP Q AS INSERT INTO T SELECT STREAM S.K, A.C, S.N FROM S LEFT JOIN A OVER (RANGE INTERVAL '5' SECOND PRECEDING) AS A
       ON S.K = A.K AND 10 / S.N >= A.C;",
];

fn keys() -> impl Strategy<Value = Keys> {
    prop::sample::select(vec![Keys::None, Keys::K, Keys::N, Keys::KAndB])
}

fn aggregates() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..AGGREGATES.len(), 1..5)
}

pub(crate) fn tumbling() -> impl Strategy<Value = Tumbling> {
    let step = prop::sample::select(vec![1_i64, 5, 7, 60]);
    (keys(), step, aggregates(), any::<bool>()).prop_map(|(keys, step, aggregates, filtered)| Tumbling {
        keys,
        step,
        aggregates,
        filtered,
    })
}

pub(crate) fn staggered() -> impl Strategy<Value = Staggered> {
    let keys = prop::sample::select(vec![Keys::K, Keys::N, Keys::KAndB]);
    (keys, prop::sample::select(vec![1_i64, 5, 30]), aggregates())
        .prop_map(|(keys, range, aggregates)| Staggered { keys, range, aggregates })
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        prop::sample::select(vec![0_i64, 1, 500, 5_000, 60_000]).prop_map(Frame::Range),
        (1_usize..5).prop_map(Frame::Rows),
        Just(Frame::Unbounded),
    ]
}

pub(crate) fn sliding() -> impl Strategy<Value = Sliding> {
    let window = || (keys(), frame());
    let calls = prop::collection::vec((0..AGGREGATES.len() + POSITIONAL.len(), 0_usize..2), 1..5);
    (window(), window(), calls).prop_map(|(first, second, calls)| Sliding { windows: [first, second], calls })
}

pub(crate) fn any_query() -> impl Strategy<Value = Query> {
    prop_oneof![
        3 => tumbling().prop_map(Query::Tumbling),
        2 => staggered().prop_map(Query::Staggered),
        3 => sliding().prop_map(Query::Sliding),
        3 => prop::sample::select(OTHER.to_vec()).prop_map(|(columns, text)| Query::Other(columns, text)),
        1 => prop::sample::select(APPLICATIONS.to_vec()).prop_map(Query::Application),
    ]
}

impl Query {
    /// The whole application.
    pub(crate) fn text(&self) -> String {
        let (columns, query) = match self {
            Query::Tumbling(query) => query.parts(),
            Query::Staggered(query) => query.parts(),
            Query::Sliding(query) => query.parts(),
            Query::Other(columns, query) => ((*columns).to_owned(), (*query).to_owned()),
            Query::Application(text) => return (*text).to_owned(),
        };
        format!("CREATE STREAM T ({columns});\nCREATE PUMP P AS INSERT INTO T {query};")
    }
}

/// The columns of the target and the items of the select list.
fn grouped(keys: Keys, aggregates: &[usize]) -> (String, String) {
    let (mut columns, mut items) = (Vec::new(), Vec::new());
    for (place, (_, name, sql_type)) in keys.columns().iter().enumerate() {
        columns.push(format!("K{place} {sql_type}"));
        items.push((*name).to_owned());
    }
    for (place, aggregate) in aggregates.iter().enumerate() {
        columns.push(format!("A{place} {}", AGGREGATES[*aggregate].column));
        items.push(AGGREGATES[*aggregate].sql.to_owned());
    }
    (columns.join(", "), items.join(", "))
}

impl Tumbling {
    fn parts(&self) -> (String, String) {
        let (columns, items) = grouped(self.keys, &self.aggregates);
        let mut keys: Vec<String> = self.keys.names().iter().map(|name| (*name).to_owned()).collect();
        keys.push(format!("STEP(S.ROWTIME BY INTERVAL '{}' SECOND)", self.step));
        let condition = if self.filtered { "WHERE N > 0" } else { "" };
        (columns, format!("SELECT STREAM {items} FROM S {condition} GROUP BY {}", keys.join(", ")))
    }
}

impl Staggered {
    fn parts(&self) -> (String, String) {
        let (columns, items) = grouped(self.keys, &self.aggregates);
        let keys = self.keys.names().join(", ");
        let window = format!("STAGGER (PARTITION BY {keys} RANGE INTERVAL '{}' SECOND)", self.range);
        (columns, format!("SELECT STREAM {items} FROM S WINDOWED BY {window}"))
    }
}

impl Sliding {
    fn parts(&self) -> (String, String) {
        let (mut columns, mut items) = (Vec::new(), Vec::new());
        for (place, (function, window)) in self.calls.iter().enumerate() {
            let function = window_function(*function);
            columns.push(format!("A{place} {}", function.column));
            items.push(format!("{} OVER W{window}", function.sql));
        }
        let window = |(keys, frame): &(Keys, Frame)| {
            let partition = match keys {
                Keys::None => String::new(),
                keys => format!("PARTITION BY {} ", keys.names().join(", ")),
            };
            let frame = match frame {
                Frame::Range(millis) => {
                    format!("RANGE INTERVAL '{}.{:03}' SECOND PRECEDING", millis / 1_000, millis % 1_000)
                }
                Frame::Rows(rows) => format!("ROWS {rows} PRECEDING"),
                Frame::Unbounded => "ROWS UNBOUNDED PRECEDING".to_owned(),
            };
            format!("({partition}{frame})")
        };
        let [first, second] = &self.windows;
        let windows = format!("WINDOW W0 AS {}, W1 AS {}", window(first), window(second));
        (columns.join(", "), format!("SELECT STREAM {} FROM S {windows}", items.join(", ")))
    }
}
