//! A server that commands reach, with a pipeline of prices.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Program, has_started, now, run_in, wait_for};

/// Prices over a threshold, and their number in windows of an hour.
pub const PRICES: &str = r#"
[[stream]]
name = "prices"
shards = 1

[[stream]]
name = "high"

[[application]]
name = "watch"
sql = '''
CREATE STREAM "HIGH" ("ticker" VARCHAR(8), "price" DOUBLE);
CREATE PUMP "P" AS INSERT INTO "HIGH" SELECT STREAM "ticker", "price" FROM "SOURCE_SQL_STREAM_001" WHERE "price" > 100;
CREATE STREAM "HOURS" ("n" BIGINT);
CREATE PUMP "Q" AS INSERT INTO "HOURS" SELECT STREAM COUNT(*) FROM "SOURCE_SQL_STREAM_001"
  GROUP BY STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' HOUR);
'''
[application.input]
stream = "prices"
format = "json"
columns = "ticker VARCHAR(8), price DOUBLE"

[[application.output]]
from = "HIGH"
stream = "high"
"#;

/// A server on the directory `data` of its folder.
pub struct Server {
    pub folder: TempDir,
    pub program: Program,
}

impl Server {
    pub fn start(pipeline: &str, more: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.toml"), pipeline).unwrap();
        Server::start_in(folder, &[&["--apply", "p.toml"], more].concat())
    }

    pub fn start_in(folder: TempDir, more: &[&str]) -> Server {
        let arguments = [["serve", "--no-console", "--data-dir", "data"].as_slice(), more].concat();
        let program = Program::start_in(folder.path(), &arguments);
        let server = Server { folder, program };
        wait_for("the server has started", || has_started(&server.path().join("data")).then_some(()));
        server
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The lines of a command about names that may look like flags.
    #[track_caller]
    pub fn ask_of(&self, command: &[&str], names: &[&str]) -> Vec<String> {
        let arguments = [command, &["--data-dir", "data", "--"], names].concat();
        let finished = run_in(self.path(), &arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        finished.lines
    }

    /// The lines of a command, if it worked.
    pub fn try_ask(&self, arguments: &[&str]) -> Option<Vec<String>> {
        let finished = run_in(self.path(), &[arguments, &["--data-dir", "data"]].concat());
        (finished.code == Some(0)).then_some(finished.lines)
    }

    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> Vec<String> {
        let finished = run_in(self.path(), &[arguments, &["--data-dir", "data"]].concat());
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        finished.lines
    }

    #[track_caller]
    pub fn refuse(&self, arguments: &[&str], words: &[&str]) {
        run_in(self.path(), &[arguments, &["--data-dir", "data"]].concat()).assert_failed(1, words);
    }

    #[track_caller]
    pub fn ask_json(&self, arguments: &[&str]) -> Value {
        let lines = self.ask(&[arguments, &["--json"]].concat());
        serde_json::from_str(&lines[0]).unwrap_or_else(|error| panic!("{error}: {lines:?}"))
    }

    pub fn put(&self, stream: &str, lines: &[String]) {
        let file = self.path().join("put.jsonl");
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        self.ask(&["put", stream, "--input", "put.jsonl"]);
    }

    /// What a stream holds, once it holds so much.
    pub fn records(&self, stream: &str, count: usize) -> Vec<String> {
        let limit = count.to_string();
        let lines = self.ask(&["tail", stream, "--from", "trim-horizon", "--limit", &limit, "--json"]);
        let data = lines.iter().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["record"]["data"].as_str().unwrap().trim_end().to_owned()
        });
        data.collect()
    }

    /// Ends it and gives the seconds that it took.
    #[track_caller]
    pub fn stop(self) -> (TempDir, Duration) {
        let began = now();
        self.program.signal(Signal::TERM);
        let finished = self.program.finish();
        // 3: a busy machine has not stored everything within its second; the next start goes on.
        assert!(matches!(finished.code, Some(0 | 3)), "{finished:#?}");
        (self.folder, began.elapsed())
    }
}

/// A record of `prices`.
pub fn price(ticker: &str, price: u32) -> String {
    format!("{{\"ticker\":\"{ticker}\",\"price\":{price}}}")
}
