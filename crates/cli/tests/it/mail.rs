//! Mails of the running pipeline: in the local mailbox in any case, and what becomes of them when no mail server answers.

use std::fs;
use std::net::TcpListener;

use crate::support::objects::delivered;
use crate::support::{Program, page, repository, run_in, wait_for};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn a_dead_mail_server_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // A port where nobody answers: it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let smtp = format!(
        "\n[smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\nfrom = \"millstream@example.com\"\n"
    );
    let example = fs::read_to_string(repository("examples/reviews.toml")).unwrap();
    fs::write(folder.path().join("reviews.toml"), example + &smtp).unwrap();
    let mut program = Program::start_in(
        folder.path(),
        &["run", "reviews.toml", "--input", "-", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"],
    );
    let url = program.next_json()["page"].as_str().unwrap().to_owned();
    // Reviews so bad that the average sets the alarm off, until the mail is there.
    let mut reviews: usize = 0;
    let mail = wait_for("a mail that could not be sent", || {
        for _ in 0..4 {
            program.write(
                format!("R{reviews:04}\tToys\tAwful. It broke at once, a waste of money.\n").as_bytes(),
            );
            reviews += 1;
        }
        let overview = page::overview(&url);
        let mail = overview["mails"].as_array().unwrap().first()?.clone();
        mail["status"].as_str().unwrap().contains("refused").then_some(mail)
    });
    assert_eq!(mail["to"], "reviews@example.com");
    let status = mail["status"].as_str().unwrap();
    assert!(status.starts_with("queued"), "it is tried again: {status}");
    let listed = run_in(folder.path(), &["list", "mail-server", "--data-dir", "data"]);
    assert_eq!(listed.lines.len(), 1, "{listed:#?}");
    for words in ["waiting mails ", "retrying the oldest mail since ", "cannot connect to 127.0.0.1"] {
        assert!(listed.lines[0].contains(words), "{words}: {listed:#?}");
    }
    // What the page shows of alarm, metric and topic can be seen from the command line.
    let ask = |command: &[&str]| run_in(folder.path(), &[command, &["--data-dir", "data"]].concat());
    let figures = |kind: &str, name: &str| {
        let described = ask(&["describe", kind, name, "--json"]);
        serde_json::from_str::<Value>(&described.stdout()).unwrap()["figures"].clone()
    };
    let alarm = figures("alarm", "bad-reviews");
    assert_eq!(alarm["alarm_state"], "ALARM", "{alarm}");
    assert!(alarm["alarm_since"].as_i64() > Some(0), "{alarm}");
    assert!(alarm["alarm_reason"].as_str().unwrap().contains("(alarm "), "{alarm}");
    assert!(ask(&["list", "alarm"]).lines[0].contains("  ALARM since 2"));
    assert!(ask(&["describe", "alarm", "bad-reviews"]).stdout().contains("  alarm_since: 2"));
    let metric = figures("metric", "AVGStarRating");
    assert!(metric["newest_value"].as_f64() >= Some(1.0), "{metric}");
    assert!(metric["newest_value_at"].as_i64() > Some(0), "{metric}");
    wait_for("the newest mail of the topic is that of the page", || {
        let topic = figures("topic", "review-alerts");
        let mails = page::overview(&url)["mails"].clone();
        let newest = (&mails[0]["subject"], &mails[0]["at"]);
        let is_it = (&topic["newest_subject"], &topic["newest_mail_at"]) == newest;
        (is_it && topic["mails"] == mails.as_array()?.len()).then_some(())
    });

    let overview = page::overview(&url);
    let alarms: &Vec<Value> = overview["alarms"].as_array().unwrap();
    assert_eq!(
        (&alarms[0]["name"], &alarms[0]["state"]),
        (&"bad-reviews".into(), &"ALARM".into()),
        "{alarms:?}"
    );

    // Ending does not wait for the mail server, and everything else has arrived.
    program.signal(Signal::TERM);
    let summary = program.finish().summary_of_stop();
    assert_eq!(summary["records_in"], reviews, "{summary}");
    assert_eq!(delivered(&folder.path().join("data")).len(), reviews);

    // The mail is still there in the next run, which says so.
    let mut program = Program::start_in(
        folder.path(),
        &["run", "reviews.toml", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"],
    );
    let url = program.next_json()["page"].as_str().unwrap().to_owned();
    wait_for("the mail of the first run", || {
        let overview = page::overview(&url);
        let mails = overview["mails"].as_array().unwrap();
        mails.iter().any(|found| found["at"] == mail["at"] && found["body"] == mail["body"]).then_some(())
    });
}
