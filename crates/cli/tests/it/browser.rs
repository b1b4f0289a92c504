//! The whole demo in a real browser: the page lives, the average appears and a mail arrives, all without a reload.
//!
//! `MILLSTREAM_SCREENSHOTS=FOLDER` keeps the pictures; then the demo runs longer, until the charts are filled. The picture
//! of the README is made so.

use std::path::PathBuf;

use crate::chromium::Browser;
use crate::support::{Program, page};
use serde_json::json;

/// Windows in the charts of a picture that is kept: after the second burst of bad reviews.
const FILLED: usize = 14;

#[tokio::test]
async fn the_average_appears_and_a_mail_arrives() {
    if crate::chromium::is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("MILLSTREAM_SCREENSHOTS").map(PathBuf::from);
    let arguments = ["demo", "--speed", "5", "--json", "--listen", "127.0.0.1:0", "--close-windows"];
    let mut program = Program::start_in(folder.path(), &arguments);
    let url = program.next_json()["page"].as_str().unwrap().to_owned();

    let mut browser = Browser::start().await;
    browser.set_preferences("light", true).await;
    browser.set_view(1280, 1400, 1.5, false).await;
    browser.open(&url).await;
    browser.wait_for("document.body.dataset.connection === 'live'").await;
    // Lost by any reload.
    browser.evaluate("window.isTheSamePage = true").await;
    assert!(browser.text("header").await.contains("synthetic"), "made-up reviews are said to be");

    browser.wait_for("document.querySelector('#averages path.line') !== null").await;
    browser.wait_for("document.querySelector('#counts path.line') !== null").await;
    browser.wait_for("document.querySelectorAll('#reviews .body').length > 0").await;
    browser.wait_for("document.querySelectorAll('#mails details').length > 0").await;
    assert!(
        browser.text("#announcements").await.contains("New mail: "),
        "it is said to those who cannot see"
    );
    let mails = page::overview(&url)["mails"].clone();
    let newest = mails.as_array().unwrap().last().unwrap();
    assert!(newest["body"].as_str().unwrap().contains("Anomaly score: "), "{newest}");
    assert!(browser.text("#mails").await.contains(newest["subject"].as_str().unwrap()));
    assert_eq!(browser.evaluate("window.isTheSamePage").await, json!(true));

    let pictures = match &kept {
        Some(pictures) => {
            for windows in (2..=FILLED).step_by(2) {
                // Each pair of windows takes ten seconds.
                let drawn = "fetch('/api/overview').then((answer) => answer.json()).then((all) => all.averages.length";
                browser.wait_for(&format!("{drawn} >= {windows})")).await;
            }
            pictures.clone()
        }
        None => folder.path().join("pictures"),
    };
    std::fs::create_dir_all(&pictures).unwrap();
    let mut whole = Vec::new();
    for (name, scheme, is_phone) in
        [("front-light.png", "light", false), ("front-dark.png", "dark", false), ("phone.png", "light", true)]
    {
        browser.set_preferences(scheme, true).await;
        match is_phone {
            true => browser.set_view(360, 780, 2.0, true).await,
            false => browser.set_view(1280, 1400, 1.5, false).await,
        }
        browser.screenshot(&pictures.join(name), is_phone).await;
        assert_eq!(browser.overflow().await, 0, "{name}: the page does not scroll sideways");
        let bytes = std::fs::read(pictures.join(name)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{name} has {} bytes", bytes.len());
        whole.push(bytes);
    }
    assert_ne!(whole[0], whole[1], "dark is not light");
    assert_eq!(browser.complaints(), [""; 0]);

    // Pages that are open are notified of an orderly end.
    program.signal(rustix::process::Signal::TERM);
    browser.wait_for("document.body.dataset.connection === 'lost'").await;
    let summary = program.finish().summary_of_success();
    assert_eq!(summary["errors"], 0, "{summary}");
    assert!(summary["mails"].as_u64().unwrap() >= 1, "{summary}");
    assert!(summary["max_anomaly_score"].as_f64().unwrap() >= 3.0, "{summary}");
}
