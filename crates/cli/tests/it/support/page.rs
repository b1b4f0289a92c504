//! The page of a running program, asked over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::PATIENCE;

/// The status and the body of an answer.
pub fn get(page: &str, path: &str) -> std::io::Result<(u16, String)> {
    get_as(page, path, address(page))
}

/// The same, by another name of the machine.
pub fn get_as(page: &str, path: &str, host: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address(page))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "chunks are not read here: {head}");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.expect("a status"), body.to_owned()))
}

/// Address and port of a page.
fn address(page: &str) -> &str {
    page.strip_prefix("http://").expect("an address of this machine").trim_end_matches('/')
}

/// Everything that the page shows.
pub fn overview(page: &str) -> Value {
    let (status, body) = get(page, "/api/overview").expect("the page answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// A counter of a stage of the flow.
pub fn counter(overview: &Value, kind: &str, stage: &str, counter: &str) -> Option<u64> {
    let stages = overview["flow"].as_array().unwrap();
    let found = stages.iter().find(|found| found["kind"] == kind && found["name"] == stage)?;
    let counters = found["counters"].as_array().unwrap();
    counters.iter().find(|pair| pair[0] == counter)?[1].as_u64()
}
