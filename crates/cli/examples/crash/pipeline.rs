//! What runs under load: the pipeline file, and the files that feed it.
//!
//! ```text
//!  events.csv ─▶ stream events ─▶ windows ─▶ tumbled, slid, staggered, top, scores, copied, errors ─▶ objects
//!                    │                          └▶ second ─▶ totals ─▶ objects
//!                    └─ copy ─▶ spread (3 shards) ─▶ spreading ─▶ spread-counts, merged
//!  events.csv ─▶ delivery stream raw (backup) ─▶ buffered ─▶ objects
//!  reviews.tsv ─▶ delivery stream rated (function, backup)
//!  millstream put ─▶ stream puts ─▶ putting ─▶ objects
//! ```

use std::fmt::Write;
use std::path::Path;

/// Every so many records one is no row.
const BAD: u64 = 97;
/// Every so many reviews one is none.
pub(crate) const BAD_REVIEW: u64 = 13;
/// How many keys the records have.
const KEYS: u64 = 5;

/// How much there is to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Records of `events.csv`.
    pub(crate) records: u64,
    /// Records of `reviews.tsv`.
    pub(crate) reviews: u64,
    /// Records a second; none in the last run, which takes what is left as fast as it can.
    pub(crate) rate: Option<f64>,
    /// Reviews a second.
    pub(crate) review_rate: Option<f64>,
}

/// Whether a record is a row.
pub(crate) fn is_good(id: u64) -> bool {
    id % BAD != BAD - 1
}

/// The number in a record.
pub(crate) fn value(id: u64) -> u64 {
    id.wrapping_mul(7_919) % 1_000
}

/// The key of a record.
pub(crate) fn key(id: u64) -> String {
    format!("k{}", id.wrapping_mul(31) % KEYS)
}

/// A record. It ends with `#`, so that records can be told apart in an object, where nothing is between them.
pub(crate) fn record(id: u64) -> String {
    let key = key(id);
    match is_good(id) {
        true => format!("{id:08},{key},{},#", value(id)),
        false => format!("{id:08},{key},no number,#"),
    }
}

/// A review, or a record that cannot be rated.
pub(crate) fn review(id: u64) -> String {
    match id % BAD_REVIEW {
        0 => format!("V{id:07} is no review|"),
        1 => format!("V{id:07}\tKitchen\tTerrible. It broke on the first day.|"),
        _ => format!("V{id:07}\tKitchen\tI love it, it is perfect.|"),
    }
}

/// Writes the files that are read.
pub(crate) fn write_inputs(folder: &Path, load: &Load) -> anyhow::Result<()> {
    let mut text = String::new();
    for id in 0..load.records {
        writeln!(text, "{}", record(id))?;
    }
    std::fs::write(folder.join("events.csv"), &text)?;
    text.clear();
    for id in 0..load.reviews {
        writeln!(text, "{}", review(id))?;
    }
    std::fs::write(folder.join("reviews.tsv"), &text)?;
    Ok(())
}

/// Where the objects are of reviews that are not rated.
pub(crate) const UNRATED: &str = "main/unrated/";

/// Begins the SQL of every application: each version is another definition that gives the same rows.
pub(crate) const VERSION: &str = "-- version ";

/// A version of the pipeline file; without the load only what is fed is there.
pub(crate) fn text(load: Option<&Load>, version: u64) -> String {
    let elsewhere = elsewhere(version);
    let mut text = format!("{STREAMS}{}", fed_deliveries(version));
    for (name, application, stream) in DELIVERED {
        // The application is for people who read the file.
        write!(
            text,
            "# {application}/{stream}\n[[delivery_stream]]\nname = \"{name}\"\nbucket = \"{name}\"\n\
             prefix = \"{elsewhere}\"\nbuffer_interval = \"1s\"\n\n"
        )
        .expect("a text takes text");
    }
    text.push_str(&APPLICATIONS.replace("sql = '''\n", &format!("sql = '''\n{VERSION}{version}\n")));
    let Some(load) = load else { return text };
    let rate = |rate: Option<f64>| rate.map(|rate| format!("rate = {rate:.1}\n")).unwrap_or_default();
    for (name, path, rate, target) in [
        ("events", "events.csv", rate(load.rate), "into_stream = \"events\""),
        ("raw", "events.csv", rate(load.rate), "delivery_stream = \"raw\""),
        ("reviews", "reviews.tsv", rate(load.review_rate), "delivery_stream = \"rated\""),
    ] {
        write!(text, "[[input]]\nname = \"{name}\"\npath = \"{path}\"\n{rate}{target}\n\n")
            .expect("a text takes text");
    }
    text
}

/// Every second version puts objects elsewhere.
fn elsewhere(version: u64) -> &'static str {
    if version.is_multiple_of(2) { "" } else { "elsewhere/" }
}

/// The delivery streams that take what is read. Every third version does not rate the reviews.
fn fed_deliveries(version: u64) -> String {
    let elsewhere = elsewhere(version);
    let rated = match version % 3 {
        2 => format!("prefix = \"{UNRATED}{elsewhere}\"\n"),
        _ => format!(
            "prefix = \"main/rated/{elsewhere}\"\ntransform.function = \"score\"\ntransform.buffer_interval = \"1s\"\n"
        ),
    };
    format!(
        r#"
[[delivery_stream]]
name = "raw"
bucket = "raw"
prefix = "main/{elsewhere}"
buffer_interval = "1s"
backup.prefix = "backup/{elsewhere}"
backup.buffer_interval = "2s"

[[delivery_stream]]
name = "rated"
bucket = "rated"
error_prefix = "failed/{elsewhere}!{{firehose:error-output-type}}/"
buffer_interval = "1s"
compression = "gzip"
backup.prefix = "backup/"
{rated}
"#
    )
}

/// Delivery streams that take rows of applications: name, application, in-application stream.
const DELIVERED: [(&str, &str, &str); 6] = [
    ("tumbled-objects", "windows", "TUMBLED"),
    ("copied-objects", "windows", "COPIED"),
    ("totals-objects", "second", "TOTALS"),
    ("buffered-objects", "buffered", "COPIED"),
    ("buffered-counts", "buffered", "COUNTED"),
    ("put-objects", "putting", "PUT"),
];

/// An application whose input is kept, and its outputs to streams: in-application stream, stream.
pub(crate) struct Replayed {
    pub(crate) application: &'static str,
    pub(crate) input: &'static str,
    pub(crate) outputs: &'static [(&'static str, &'static str)],
}

/// The applications whose outputs are compared with those of a run without kills.
pub(crate) const REPLAYED: [Replayed; 3] = [
    Replayed {
        application: "windows",
        input: "events",
        outputs: &[
            ("TUMBLED", "tumbled"),
            ("SLID", "slid"),
            ("STAGGERED", "staggered"),
            ("TOP", "top"),
            ("SCORES", "scores"),
            ("COPIED", "copied"),
        ],
    },
    Replayed {
        application: "second",
        input: "tumbled",
        outputs: &[("TOTALS", "totals"), ("RUNNING", "running")],
    },
    Replayed {
        application: "spreading",
        input: "spread",
        outputs: &[("COUNTED", "spread-counts"), ("MERGED", "merged")],
    },
];

const STREAMS: &str = r#"
[[stream]]
name = "events"

[[stream]]
name = "spread"
shards = 3

[[stream]]
name = "puts"
shards = 2

[[stream]]
name = "tumbled"

[[stream]]
name = "slid"

[[stream]]
name = "staggered"

[[stream]]
name = "top"

[[stream]]
name = "scores"

[[stream]]
name = "copied"
shards = 1

[[stream]]
name = "errors"

[[stream]]
name = "totals"

[[stream]]
name = "running"

[[stream]]
name = "spread-counts"

[[stream]]
name = "merged"

[[input]]
name = "spread"
stream = "events"
into_stream = "spread"

[[endpoint]]
name = "stars"
model = "builtin:star-rating"
threads = 1

[[function]]
name = "score"
builtin = "score-reviews"
endpoint = "stars"

"#;

const APPLICATIONS: &str = r#"
[[application]]
name = "windows"
seed = 7
sql = '''
CREATE OR REPLACE STREAM "TUMBLED" ("at" TIMESTAMP, "k" VARCHAR(8), "n" BIGINT, "total" BIGINT, "first" BIGINT, "last" BIGINT);
CREATE OR REPLACE PUMP "TUMBLED_PUMP" AS INSERT INTO "TUMBLED"
  SELECT STREAM STEP(S.ROWTIME BY INTERVAL '1' SECOND), S."k", COUNT(*), SUM(S."v"), MIN(S."id"), MAX(S."id")
  FROM "SOURCE_SQL_STREAM_001" AS S GROUP BY S."k", STEP(S.ROWTIME BY INTERVAL '1' SECOND);

CREATE OR REPLACE STREAM "SLID" ("id" BIGINT, "n" BIGINT, "total" BIGINT);
CREATE OR REPLACE PUMP "SLID_PUMP" AS INSERT INTO "SLID"
  SELECT STREAM "id", COUNT(*) OVER W, SUM("v") OVER W FROM "SOURCE_SQL_STREAM_001"
  WINDOW W AS (PARTITION BY "k" RANGE INTERVAL '1' SECOND PRECEDING);

CREATE OR REPLACE STREAM "STAGGERED" ("at" TIMESTAMP, "k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "STAGGERED_PUMP" AS INSERT INTO "STAGGERED"
  SELECT STREAM ROWTIME, "k", COUNT(*) FROM "SOURCE_SQL_STREAM_001"
  WINDOWED BY STAGGER (PARTITION BY "k" RANGE INTERVAL '1' SECOND);

CREATE OR REPLACE STREAM "TOP" ("at" TIMESTAMP, "k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "TOP_PUMP" AS INSERT INTO "TOP"
  SELECT STREAM ROWTIME, ITEM, ITEM_COUNT FROM TABLE(TOP_K_ITEMS_TUMBLING(
    CURSOR(SELECT STREAM "k" FROM "SOURCE_SQL_STREAM_001"), 'k', 3, 1));

CREATE OR REPLACE STREAM "SCORES" ("id" BIGINT, "score" DOUBLE);
CREATE OR REPLACE PUMP "SCORES_PUMP" AS INSERT INTO "SCORES"
  SELECT STREAM "id", ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(
    CURSOR(SELECT STREAM "id", "v" FROM "SOURCE_SQL_STREAM_001"), 10, 64, 10000, 1));

CREATE OR REPLACE STREAM "COPIED" ("id" BIGINT, "k" VARCHAR(8), "v" BIGINT);
CREATE OR REPLACE PUMP "COPIED_PUMP" AS INSERT INTO "COPIED"
  SELECT STREAM "id", "k", "v" FROM "SOURCE_SQL_STREAM_001";
'''

[application.input]
stream = "events"
format = "csv"
columns = "id BIGINT, k VARCHAR(8), v BIGINT, e VARCHAR(4)"

[[application.output]]
from = "TUMBLED"
stream = "tumbled"

[[application.output]]
from = "TUMBLED"
delivery_stream = "tumbled-objects"
format = "csv"

[[application.output]]
from = "SLID"
stream = "slid"

[[application.output]]
from = "STAGGERED"
stream = "staggered"

[[application.output]]
from = "TOP"
stream = "top"

[[application.output]]
from = "SCORES"
stream = "scores"

[[application.output]]
from = "COPIED"
stream = "copied"

[[application.output]]
from = "COPIED"
delivery_stream = "copied-objects"
format = "csv"

[[application.output]]
from = "error_stream"
stream = "errors"

[[application]]
name = "second"
sql = '''
CREATE OR REPLACE STREAM "TOTALS" ("at" TIMESTAMP, "n" BIGINT, "total" BIGINT, "windows" BIGINT);
CREATE OR REPLACE PUMP "TOTALS_PUMP" AS INSERT INTO "TOTALS"
  SELECT STREAM STEP(S.ROWTIME BY INTERVAL '2' SECOND), SUM(S."n"), SUM(S."total"), COUNT(*)
  FROM "SOURCE_SQL_STREAM_001" AS S GROUP BY STEP(S.ROWTIME BY INTERVAL '2' SECOND);

CREATE OR REPLACE STREAM "RUNNING" ("k" VARCHAR(8), "first" BIGINT, "n" BIGINT);
CREATE OR REPLACE PUMP "RUNNING_PUMP" AS INSERT INTO "RUNNING"
  SELECT STREAM "k", "first", SUM("n") OVER (PARTITION BY "k" RANGE INTERVAL '1' HOUR PRECEDING)
  FROM "SOURCE_SQL_STREAM_001";
'''

[application.input]
stream = "tumbled"
format = "json"
columns = "k VARCHAR(8) $.k, n BIGINT $.n, total BIGINT $.total, first BIGINT $.first"

[[application.output]]
from = "TOTALS"
stream = "totals"

[[application.output]]
from = "TOTALS"
delivery_stream = "totals-objects"
format = "csv"

[[application.output]]
from = "RUNNING"
stream = "running"

[[application]]
name = "spreading"
sql = '''
CREATE OR REPLACE STREAM "COUNTED" ("at" TIMESTAMP, "k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "COUNTED_PUMP_1" AS INSERT INTO "COUNTED"
  SELECT STREAM STEP(S.ROWTIME BY INTERVAL '1' SECOND), S."k", COUNT(*)
  FROM "SOURCE_SQL_STREAM_001" AS S GROUP BY S."k", STEP(S.ROWTIME BY INTERVAL '1' SECOND);
CREATE OR REPLACE PUMP "COUNTED_PUMP_2" AS INSERT INTO "COUNTED"
  SELECT STREAM STEP(S.ROWTIME BY INTERVAL '1' SECOND), S."k", COUNT(*)
  FROM "SOURCE_SQL_STREAM_002" AS S GROUP BY S."k", STEP(S.ROWTIME BY INTERVAL '1' SECOND);

CREATE OR REPLACE STREAM "MERGED" ("id" BIGINT);
CREATE OR REPLACE PUMP "MERGED_PUMP_1" AS INSERT INTO "MERGED" SELECT STREAM "id" FROM "SOURCE_SQL_STREAM_001";
CREATE OR REPLACE PUMP "MERGED_PUMP_2" AS INSERT INTO "MERGED" SELECT STREAM "id" FROM "SOURCE_SQL_STREAM_002";
'''

[application.input]
stream = "spread"
parallelism = 2
format = "csv"
columns = "id BIGINT, k VARCHAR(8), v BIGINT, e VARCHAR(4)"

[[application.output]]
from = "COUNTED"
stream = "spread-counts"

[[application.output]]
from = "MERGED"
stream = "merged"

[[application]]
name = "buffered"
sql = '''
CREATE OR REPLACE STREAM "COPIED" ("id" BIGINT, "k" VARCHAR(8), "v" BIGINT);
CREATE OR REPLACE PUMP "COPIED_PUMP" AS INSERT INTO "COPIED"
  SELECT STREAM "id", "k", "v" FROM "SOURCE_SQL_STREAM_001";

CREATE OR REPLACE STREAM "COUNTED" ("at" TIMESTAMP, "k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "COUNTED_PUMP" AS INSERT INTO "COUNTED"
  SELECT STREAM STEP(S.ROWTIME BY INTERVAL '1' SECOND), S."k", COUNT(*)
  FROM "SOURCE_SQL_STREAM_001" AS S GROUP BY S."k", STEP(S.ROWTIME BY INTERVAL '1' SECOND);
'''

[application.input]
delivery_stream = "raw"
format = "csv"
columns = "id BIGINT, k VARCHAR(8), v BIGINT, e VARCHAR(4)"

[[application.output]]
from = "COPIED"
delivery_stream = "buffered-objects"
format = "csv"

[[application.output]]
from = "COUNTED"
delivery_stream = "buffered-counts"
format = "csv"

[[application]]
name = "putting"
sql = '''
CREATE OR REPLACE STREAM "PUT" ("id" BIGINT);
CREATE OR REPLACE PUMP "PUT_PUMP" AS INSERT INTO "PUT" SELECT STREAM "id" FROM "SOURCE_SQL_STREAM_001";
'''

[application.input]
stream = "puts"
format = "csv"
columns = "id BIGINT"

[[application.output]]
from = "PUT"
delivery_stream = "put-objects"
format = "csv"

"#;
