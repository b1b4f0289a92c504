//! Joins and UNION ALL of two inputs: random queries over random arrivals, against the definition.

use crate::running::OutputRow;
use crate::snapshots::Snapshots;
use millstream_columns::{Batch, array_from_values, value_at};
use millstream_engine::{Application, ApplicationSettings, Switches, catalog};
use millstream_sql::{Column, InputStream, SqlType, StreamId, Value, compile};
use proptest::prelude::*;

/// A row that arrives at one of the inputs `L (K VARCHAR(4), N INTEGER)` and `R`, of the same columns.
#[derive(Clone, Debug)]
struct Arrival {
    /// 0 or 1.
    input: usize,
    rowtime: i64,
    k: Option<&'static str>,
    n: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Window {
    None,
    Range(i64),
    Rows(usize),
    Unbounded,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Condition {
    Keys,
    KeysAndMore,
    Less,
    All,
}

#[derive(Clone, Debug)]
struct Join {
    windows: [Window; 2],
    preserved: [bool; 2],
    condition: Condition,
    switches: Switches,
}

const TYPES: [SqlType; 2] = [SqlType::Varchar { length: 4 }, SqlType::Integer];

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let step = prop::sample::select(vec![0_i64, 0, 0, 1, 2, 3, 5, 20]);
    let k = prop::sample::select(vec![None, Some("a"), Some("a"), Some("b"), Some("c")]);
    let n = prop::sample::select(vec![None, Some(0), Some(1), Some(2), Some(3)]);
    prop::collection::vec((0_usize..2, step, k, n), 0..40).prop_map(|parts| {
        let mut times = [0_i64; 2];
        let mut arrivals = Vec::new();
        for (input, step, k, n) in parts {
            times[input] += step;
            arrivals.push(Arrival { input, rowtime: times[input], k, n });
        }
        arrivals
    })
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        2 => Just(Window::None),
        4 => prop::sample::select(vec![0_i64, 1, 3, 10]).prop_map(Window::Range),
        2 => (0_usize..4).prop_map(Window::Rows),
        1 => Just(Window::Unbounded),
    ]
}

fn join() -> impl Strategy<Value = Join> {
    let condition =
        prop::sample::select(vec![Condition::Keys, Condition::KeysAndMore, Condition::Less, Condition::All]);
    let bools = || (any::<bool>(), any::<bool>());
    (window(), window(), bools(), condition, bools()).prop_filter_map(
        "one side at least has a window",
        |(left, right, preserved, condition, (exclusive, reemit))| {
            let switches = Switches {
                range_lower_bound_exclusive: exclusive,
                outer_join_reemit: reemit,
                ..Switches::default()
            };
            let preserved = [preserved.0, preserved.1];
            let windows = [left, right];
            (windows != [Window::None; 2]).then_some(Join { windows, preserved, condition, switches })
        },
    )
}

impl Join {
    fn text(&self) -> String {
        let over = |window: Window| match window {
            Window::None => String::new(),
            Window::Range(0) => "OVER (RANGE CURRENT ROW)".to_owned(),
            Window::Range(millis) => format!("OVER (RANGE INTERVAL '0.{millis:03}' SECOND PRECEDING)"),
            Window::Rows(0) => "OVER (ROWS CURRENT ROW)".to_owned(),
            Window::Rows(rows) => format!("OVER (ROWS {rows} PRECEDING)"),
            Window::Unbounded => "OVER (ROWS UNBOUNDED PRECEDING)".to_owned(),
        };
        let kind = match self.preserved {
            [false, false] => "INNER",
            [true, false] => "LEFT",
            [false, true] => "RIGHT",
            [true, true] => "FULL",
        };
        let on = match self.condition {
            Condition::Keys => "L.K = R.K",
            Condition::KeysAndMore => "L.K = R.K AND L.N <= R.N",
            Condition::Less => "L.N < R.N",
            Condition::All => "TRUE",
        };
        format!(
            "CREATE STREAM T (K VARCHAR(4), N INTEGER, TL TIMESTAMP, K2 VARCHAR(4), N2 INTEGER, TR TIMESTAMP);
             CREATE PUMP P AS INSERT INTO T SELECT STREAM L.K, L.N, L.ROWTIME, R.K, R.N, R.ROWTIME
             FROM L {} AS L {kind} JOIN R {} AS R ON {on};",
            over(self.windows[0]),
            over(self.windows[1])
        )
    }

    fn matches(&self, left: &Arrival, right: &Arrival) -> bool {
        let keys = left.k.is_some() && left.k == right.k;
        let numbers = left.n.zip(right.n);
        match self.condition {
            Condition::Keys => keys,
            Condition::KeysAndMore => keys && numbers.is_some_and(|(left, right)| left <= right),
            Condition::Less => numbers.is_some_and(|(left, right)| left < right),
            Condition::All => true,
        }
    }

    /// What comes out, by the definition: every row looks at all rows before it.
    fn naive(&self, arrivals: &[Arrival]) -> Vec<OutputRow> {
        let mut order: Vec<&Arrival> = arrivals.iter().collect();
        order.sort_by_key(|arrival| arrival.rowtime);
        let exclusive = self.switches.range_lower_bound_exclusive;
        let mut matched = vec![false; order.len()];
        // What comes out, with its place: time, turn at that time, place in the turn.
        let mut out: Vec<((i64, usize, usize), OutputRow)> = Vec::new();
        for (turn, row) in order.iter().enumerate() {
            let side = row.input;
            let own: Vec<usize> = (0..turn).filter(|other| order[*other].input == side).collect();
            if let Window::Rows(rows) = self.windows[side]
                && self.preserved[side]
                && let Some(pushed) = own.len().checked_sub(rows + 1)
            {
                let gone = own[pushed];
                if !matched[gone] || self.switches.outer_join_reemit {
                    out.push(((row.rowtime, turn + 1, 0), unmatched(order[gone], row.rowtime)));
                }
            }
            let others: Vec<usize> = (0..turn).filter(|other| order[*other].input != side).collect();
            let mut found = false;
            for (place, other) in others.iter().enumerate() {
                let candidate = order[*other];
                let in_window = match self.windows[1 - side] {
                    Window::None => false,
                    Window::Unbounded => true,
                    Window::Rows(rows) => place + rows + 1 >= others.len(),
                    Window::Range(millis) => {
                        let oldest = row.rowtime - millis;
                        let inside = candidate.rowtime >= oldest;
                        if exclusive {
                            inside && candidate.rowtime != oldest || candidate.rowtime == row.rowtime
                        } else {
                            inside
                        }
                    }
                };
                let (left, right) = if side == 0 { (*row, candidate) } else { (candidate, *row) };
                if in_window && self.matches(left, right) {
                    (found, matched[*other]) = (true, true);
                    out.push((
                        (row.rowtime, turn + 1, 1 + place),
                        pair(Some(left), Some(right), row.rowtime),
                    ));
                }
            }
            matched[turn] |= found;
            if !found && self.preserved[side] && self.windows[side] == Window::None {
                out.push(((row.rowtime, turn + 1, 1), unmatched(row, row.rowtime)));
            }
        }
        for side in 0..2 {
            let Window::Range(millis) = self.windows[side] else { continue };
            for (turn, row) in order.iter().enumerate().filter(|(_, row)| row.input == side) {
                if self.preserved[side] && (!matched[turn] || self.switches.outer_join_reemit) {
                    let due = row.rowtime + millis;
                    // After the rows of that time that can still meet it, before those that cannot.
                    let when = if exclusive && millis > 0 { 0 } else { usize::MAX };
                    let place = side * order.len() + turn;
                    out.push(((due, when, place), unmatched(row, due)));
                }
            }
        }
        out.sort_by_key(|(place, _)| *place);
        out.into_iter().map(|(_, row)| row).collect()
    }
}

fn unmatched(row: &Arrival, rowtime: i64) -> OutputRow {
    if row.input == 0 { pair(Some(row), None, rowtime) } else { pair(None, Some(row), rowtime) }
}

fn pair(left: Option<&Arrival>, right: Option<&Arrival>, rowtime: i64) -> OutputRow {
    let values = |row: Option<&Arrival>| match row {
        None => [Value::Null, Value::Null, Value::Null],
        Some(row) => {
            let [k, n] = row_values(row);
            [k, n, Value::Timestamp(row.rowtime)]
        }
    };
    OutputRow { rowtime, values: [values(left), values(right)].concat() }
}

fn row_values(row: &Arrival) -> [Value; 2] {
    let k = row.k.map_or(Value::Null, |k| Value::Text(k.to_owned()));
    [k, row.n.map_or(Value::Null, Value::Integer)]
}

fn batch(rows: &[Arrival]) -> Batch {
    let columns = TYPES.iter().enumerate().map(|(index, sql_type)| {
        let values: Vec<Value> = rows.iter().map(|row| row_values(row)[index].clone()).collect();
        array_from_values(*sql_type, &values).expect("the values are of the type of their column")
    });
    let rowtimes: Vec<i64> = rows.iter().map(|row| row.rowtime).collect();
    Batch::new(rowtimes.into(), columns.collect())
}

/// Runs the text over the arrivals, at most `size` of one input together, and then over time without rows.
fn run(
    text: &str,
    switches: Switches,
    arrivals: &[Arrival],
    size: usize,
    checkpoints: bool,
) -> Vec<OutputRow> {
    let input = |name: &str| {
        let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
        InputStream {
            name: name.to_owned(),
            columns: vec![column("K", TYPES[0]), column("N", TYPES[1])],
            metadata_columns: 0,
        }
    };
    let compilation = compile(text, &[input("L"), input("R")], &catalog());
    let program = compilation.program.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics));
    let settings = ApplicationSettings { virtual_clock: true, switches, ..ApplicationSettings::default() };
    let mut application = Application::new(program, settings.clone()).expect("the plan is sound");
    let output = application.program().stream("T").expect("the program creates T");
    let types: Vec<SqlType> =
        application.program().streams[output.0].columns.iter().map(|column| column.sql_type).collect();
    application.subscribe(output);
    let mut found = Vec::new();
    let mut collect = |application: &mut Application| {
        for batch in application.take_output(output) {
            for row in 0..batch.len() {
                let columns = batch.columns.iter().zip(&types);
                let values = columns.map(|(column, sql_type)| value_at(column, *sql_type, row)).collect();
                found.push(OutputRow { rowtime: batch.rowtimes[row], values });
            }
        }
        assert!(application.take_errors().is_empty(), "{text}");
    };
    let mut snapshots = Snapshots::default();
    let mut rest = arrivals;
    while let Some(first) = rest.first() {
        let together = rest.iter().take(size).take_while(|arrival| arrival.input == first.input).count();
        let (taken, later) = rest.split_at(together);
        rest = later;
        application.push(StreamId(first.input), &batch(taken), 0).expect("the rows are in order");
        collect(&mut application);
        if checkpoints {
            if snapshots.is_a_restart() {
                application = snapshots.restart(application, &settings);
                application.subscribe(output);
            } else {
                snapshots.take(&mut application);
            }
        }
    }
    for input in 0..2 {
        application.bound(StreamId(input), 1_000_000, 1_000_000).expect("the input exists");
    }
    collect(&mut application);
    found
}

const UNION: &str = "CREATE STREAM T (K VARCHAR(4), N INTEGER);
    CREATE PUMP P AS INSERT INTO T SELECT STREAM K, N FROM L UNION ALL SELECT STREAM K, N FROM R;";

/// Applications whose rows are not computed a second time.
const OTHER: [&str; 7] = [
    "CREATE STREAM T (K VARCHAR(4), N INTEGER, M INTEGER, O INTEGER);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM A.K, A.N, B.N, C.N FROM L OVER (RANGE INTERVAL '0.010' SECOND PRECEDING) AS A
       LEFT JOIN R OVER (RANGE INTERVAL '0.003' SECOND PRECEDING) AS B ON A.K = B.K
       FULL JOIN L OVER (RANGE INTERVAL '0.005' SECOND PRECEDING) AS C ON A.N = C.N AND C.N > B.N;",
    "CREATE STREAM T (K VARCHAR(4), N INTEGER, M INTEGER, O INTEGER);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM A.K, A.N, B.N, C.N FROM L OVER (RANGE INTERVAL '0.010' SECOND PRECEDING) AS A
       JOIN R OVER (ROWS 2 PRECEDING) AS B ON A.K = B.K LEFT JOIN L OVER (RANGE INTERVAL '0.005' SECOND PRECEDING) AS C ON B.N = C.N;",
    "CREATE STREAM C (K VARCHAR(4), N BIGINT);
     CREATE PUMP P AS INSERT INTO C SELECT STREAM K, COUNT(*) FROM L GROUP BY K, FLOOR(L.ROWTIME TO SECOND);
     CREATE STREAM T (K VARCHAR(4), N BIGINT, M INTEGER);
     CREATE PUMP Q AS INSERT INTO T SELECT STREAM C.K, C.N, R.N FROM C JOIN R OVER (ROWS 3 PRECEDING) AS R ON C.K = R.K;",
    "CREATE STREAM U (K VARCHAR(4), N INTEGER);
     CREATE PUMP P AS INSERT INTO U SELECT STREAM K, N FROM L UNION ALL SELECT STREAM K, N + 1 FROM R UNION ALL SELECT STREAM K, N FROM L;
     CREATE STREAM T (K VARCHAR(4), N BIGINT);
     CREATE PUMP Q AS INSERT INTO T SELECT STREAM K, SUM(N) OVER (PARTITION BY K ROWS 2 PRECEDING) FROM U;",
    "CREATE STREAM T (K VARCHAR(4), N INTEGER, V VARCHAR(5));
     CREATE PUMP P AS INSERT INTO T SELECT STREAM L.K, L.N, V.B FROM L LEFT JOIN (VALUES (1, 'one'), (2, 'two'), (2, 'deux')) AS V(A, B) ON L.N = V.A;",
    "CREATE STREAM T (K VARCHAR(4), N BIGINT);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM A.K, COUNT(*) FROM L OVER (ROWS 2 PRECEDING) AS A, R AS B WHERE A.K = B.K
       GROUP BY A.K, FLOOR(B.ROWTIME TO SECOND);",
    "CREATE STREAM T (K VARCHAR(4), N INTEGER, M INTEGER);
     CREATE PUMP P AS INSERT INTO T SELECT STREAM A.K, A.N, B.N FROM L OVER (ROWS 2 PRECEDING) AS A JOIN L AS B ON A.K = B.K AND A.N < B.N;",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn joins_equal_the_naive_ones(join in join(), arrivals in arrivals(), size in 1_usize..10) {
        let text = join.text();
        let expected = join.naive(&arrivals);
        for (size, checkpoints) in [(usize::MAX, false), (1, false), (size, true)] {
            let found = run(&text, join.switches, &arrivals, size, checkpoints);
            prop_assert_eq!(&found, &expected, "{} {:?} by {}", text, join.switches, size);
        }
    }

    #[test]
    fn rows_of_three_streams_meet_when_the_latest_finds_the_others(
        lengths in prop::collection::vec(prop::sample::select(vec![0_i64, 1, 3, 10]), 3),
        arrivals in arrivals(),
        size in 1_usize..10,
    ) {
        let window = |number: usize| format!("(RANGE INTERVAL '0.{:03}' SECOND PRECEDING)", lengths[number]);
        let text = format!(
            "CREATE STREAM T (A TIMESTAMP, B TIMESTAMP, C TIMESTAMP, N INTEGER, M INTEGER);
             CREATE PUMP P AS INSERT INTO T SELECT STREAM A.ROWTIME, B.ROWTIME, C.ROWTIME, A.N, C.N
             FROM L OVER {} AS A JOIN R OVER {} AS B ON A.K = B.K JOIN L OVER {} AS C ON C.K = B.K;",
            window(0), window(1), window(2)
        );
        let of = |input| arrivals.iter().filter(move |row: &&Arrival| row.input == input);
        let mut expected = Vec::new();
        for (a, b, c) in of(0).flat_map(|a| of(1).flat_map(move |b| of(0).map(move |c| (a, b, c)))) {
            let latest = a.rowtime.max(b.rowtime).max(c.rowtime);
            let in_windows = [a, b, c].iter().zip(&lengths).all(|(row, length)| row.rowtime + length >= latest);
            if a.k.is_some() && a.k == b.k && b.k == c.k && in_windows {
                let times = [a, b, c].map(|row| Value::Timestamp(row.rowtime));
                let [_, n] = row_values(a);
                let [_, m] = row_values(c);
                expected.push(OutputRow { rowtime: latest, values: [times.to_vec(), vec![n, m]].concat() });
            }
        }
        let sorted = |mut rows: Vec<OutputRow>| {
            rows.sort_by_cached_key(|row| format!("{row:?}"));
            rows
        };
        let expected = sorted(expected);
        for (size, checkpoints) in [(usize::MAX, false), (1, false), (size, true)] {
            let found = run(&text, Switches::default(), &arrivals, size, checkpoints);
            prop_assert!(found.windows(2).all(|pair| pair[0].rowtime <= pair[1].rowtime), "{}", text);
            prop_assert_eq!(&sorted(found), &expected, "{} by {}", text, size);
        }
    }

    #[test]
    fn a_union_is_in_the_order_of_rowtime_and_arrival(arrivals in arrivals(), size in 1_usize..10) {
        let mut order: Vec<&Arrival> = arrivals.iter().collect();
        order.sort_by_key(|arrival| arrival.rowtime);
        let row = |row: &&Arrival| OutputRow { rowtime: row.rowtime, values: row_values(row).to_vec() };
        let expected: Vec<OutputRow> = order.iter().map(row).collect();
        for (size, checkpoints) in [(usize::MAX, false), (1, false), (size, true)] {
            prop_assert_eq!(&run(UNION, Switches::default(), &arrivals, size, checkpoints), &expected);
        }
    }

    #[test]
    fn any_batching_of_several_inputs_gives_the_same_rows(
        text in prop::sample::select(OTHER.to_vec()),
        arrivals in arrivals(),
        size in 1_usize..10,
    ) {
        let whole = run(text, Switches::default(), &arrivals, usize::MAX, false);
        for (size, checkpoints) in [(1, false), (size, true)] {
            prop_assert_eq!(&run(text, Switches::default(), &arrivals, size, checkpoints), &whole, "{}", text);
        }
        prop_assert!(whole.windows(2).all(|pair| pair[0].rowtime <= pair[1].rowtime), "{}", text);
    }
}
