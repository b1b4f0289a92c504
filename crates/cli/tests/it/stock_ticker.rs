//! The second example: JSON, a filter, windows of a minute, an alarm; no model and no reviews.

use crate::support::{objects_of, repository, run};
use serde_json::{Value, json};

const FILE: &str = "examples/stock-ticker.toml";
const DATA: &str = "examples/stock-ticker.jsonl";

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// What the data says: sector, trades and worst change of each minute.
fn expected() -> Vec<(String, u64, f64)> {
    let text = std::fs::read_to_string(repository(DATA)).unwrap();
    let trades = rows(&text);
    let mut minutes = Vec::new();
    for minute in trades.chunks(60) {
        for sector in ["ENERGY", "RETAIL"] {
            let of_sector: Vec<f64> = minute
                .iter()
                .filter(|trade| trade["sector"] == sector)
                .map(|trade| trade["change"].as_f64().unwrap())
                .collect();
            let worst = of_sector.iter().copied().fold(f64::INFINITY, f64::min);
            minutes.push((sector.to_owned(), of_sector.len() as u64, worst));
        }
    }
    minutes
}

#[test]
fn a_replay_gives_every_minute_of_every_sector() {
    let (file, data) = (repository(FILE), repository(DATA));
    let arguments = [
        "replay",
        file.to_str().unwrap(),
        "--input",
        data.to_str().unwrap(),
        "--rowtime",
        "event_time",
        "--only",
        "MINUTES",
        "--json",
    ];
    let finished = run(&arguments);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let mut found: Vec<(String, u64, f64)> = rows(&finished.stdout())
        .iter()
        .map(|row| {
            let row = if row["row"].is_object() { &row["row"] } else { row };
            let sector = row["SECTOR"].as_str().unwrap_or_else(|| panic!("{row}")).to_owned();
            (sector, row["TRADES"].as_u64().unwrap(), row["WORST_CHANGE"].as_f64().unwrap())
        })
        .collect();
    assert_eq!(found.len(), 8, "{finished:#?}");
    found.chunks_mut(2).for_each(|minute| minute.sort_by(|one, other| one.0.cmp(&other.0)));
    assert_eq!(found, expected());
}

#[test]
fn a_run_writes_falls_as_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(repository(FILE)).unwrap();
    std::fs::copy(repository(DATA), folder.path().join("stock-ticker.jsonl")).unwrap();
    let file = folder.path().join("stock-ticker.toml");
    std::fs::write(&file, text.replace("rate = 10\n", "")).unwrap();
    let data = folder.path().join("data");
    let arguments =
        ["run", file.to_str().unwrap(), "--no-console", "--until-end", "--data-dir", data.to_str().unwrap()];
    let finished = run(&arguments);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let objects = crate::support::objects::lines(&objects_of(&data, "trades/falls/"));
    let falls = rows(&objects.join("\n"));
    assert_eq!(falls.len(), 10, "{falls:?}");
    assert!(
        falls.iter().all(|fall| fall["TICKER_SYMBOL"] == "CCCC" && fall["SECTOR"] == json!("ENERGY")),
        "{falls:?}"
    );
}
