//! Mail that goes out: to a real server process, and to servers that are dead, deaf or rude.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::smtp_server::{PATIENCE, SmtpServer, free_port, is_left_out};
use millstream_host::{Random, SystemClock};
use millstream_monitor::{
    Location, Mail, MailCounts, MailStatus, Monitor, MonitorSettings, Protocol, SmtpCredentials,
    SmtpSecurity, SmtpSettings,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A monitor that runs.
struct Running {
    monitor: Monitor,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn settings(port: u16) -> SmtpSettings {
    SmtpSettings {
        security: SmtpSecurity::None,
        timeout: PATIENCE,
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(200),
        ..SmtpSettings::new("127.0.0.1", port, "Millstream <no-reply@example.org>")
    }
}

fn open(location: &Location, smtp: SmtpSettings) -> Monitor {
    let settings = MonitorSettings {
        smtp: Some(smtp),
        tick_interval: Duration::from_millis(20),
        ..MonitorSettings::default()
    };
    let monitor = Monitor::open(location, settings, Arc::new(SystemClock), Random::from_seed(7)).unwrap();
    monitor.create_topic("alerts").unwrap();
    monitor
}

fn run(monitor: Monitor) -> Running {
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn({
        let monitor = monitor.clone();
        async move { monitor.run(stopping).await }
    });
    Running { monitor, stop, task }
}

impl Running {
    fn start(smtp: SmtpSettings) -> Running {
        run(open(&Location::Memory, smtp))
    }

    fn subscribe(&self, address: &str) {
        self.monitor.subscribe("alerts", Protocol::Email, address).unwrap();
    }

    async fn publish(&self, subject: &str, message: &str) {
        timeout(Duration::from_secs(5), self.monitor.publish("alerts", Some(subject), message))
            .await
            .expect("publishing does not wait for the server")
            .unwrap();
    }

    /// Waits until the mails, newest first, are as wanted.
    async fn mails(&self, are_as_wanted: impl Fn(&[Mail]) -> bool) -> Vec<Mail> {
        let mut changes = self.monitor.changes();
        let waiting = async {
            loop {
                let mails = self.monitor.mails(100).unwrap();
                if are_as_wanted(&mails) {
                    return mails;
                }
                changes.changed().await.unwrap();
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(mails) => mails,
            Err(_) => panic!("the mails do not become as wanted: {:?}", self.monitor.mails(100)),
        }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }
}

fn is_sent(mail: &Mail) -> bool {
    matches!(mail.status, MailStatus::Sent { .. })
}

/// A queued mail that was tried, and its newest error.
fn trouble(mail: &Mail) -> Option<(u32, &str)> {
    match &mail.status {
        MailStatus::Queued { attempts, last_error: Some(error), .. } => Some((*attempts, error)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_whole() {
    if is_left_out() {
        return;
    }
    let server = SmtpServer::start(free_port());
    let running = Running::start(settings(server.port));
    running.subscribe("first@example.com");
    running.subscribe("second@example.com");
    let subject =
        "Bewertungen fallen: 2,4 ★ statt 4,1 ★ – bitte prüfen, dies ist eine längere Zeile zum Falten";
    let long_line = "naïve ".repeat(300);
    let body = format!(
        "Grüße!\n\n.\n.. a dot at the start\nFrom here on\n日本語 🎉\n{long_line}\nlast line without an end"
    );
    running.publish(subject, &body).await;
    let mut recipients = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let arrived = server.next();
        let headers = arrived.headers();
        assert_eq!(arrived.mail_from, "no-reply@example.org");
        assert_eq!(headers["From"], "Millstream <no-reply@example.org>");
        assert_eq!(headers["Subject"], subject);
        assert_eq!(headers["X-Millstream-Topic"], "alerts");
        assert_eq!(arrived.rcpt_tos, [headers["To"]]);
        assert_eq!(arrived.body.replace("\r\n", "\n").trim_end_matches('\n'), body);
        ids.push(headers["Message-ID"].to_owned());
        recipients.extend(arrived.rcpt_tos);
    }
    assert_eq!(recipients, ["first@example.com", "second@example.com"]);
    assert_ne!(ids[0], ids[1]);
    let mails = running.mails(|mails| mails.iter().all(is_sent)).await;
    assert_eq!(mails.len(), 2);
    assert!(
        mails.iter().all(|mail| matches!(mail.status, MailStatus::Sent { attempts: 1, .. })),
        "{mails:?}"
    );

    // The other ways a text is encoded.
    for body in ["plain ASCII", "\u{0}\u{1b}[31mred\u{7f}", "a\ttab", &"x".repeat(100_000)] {
        running.publish("s", body).await;
        assert_eq!(server.next().body.replace("\r\n", "\n").trim_end_matches('\n'), body);
        server.next();
    }
    running.stop().await;
    assert_eq!(server.more(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_keeps_no_one_waiting_and_gets_all_when_it_lives() {
    if is_left_out() {
        return;
    }
    let port = free_port();
    let running = Running::start(settings(port));
    running.subscribe("reader@example.com");
    for number in 0..20 {
        running.publish(&format!("number {number}"), "text").await;
    }
    let mails = running
        .mails(|mails| mails.iter().all(|mail| trouble(mail).is_some_and(|(tries, _)| tries >= 2)))
        .await;
    assert_eq!(mails.len(), 20);
    let (_, error) = trouble(&mails[0]).unwrap();
    assert!(
        error.contains(&format!("cannot connect to 127.0.0.1:{port}")) && error.contains("refused"),
        "{error}"
    );
    let counts = running.monitor.mail_counts().unwrap();
    assert_eq!((counts.waiting, counts.sent, counts.refused), (20, 0, 0));
    let retried = counts.retried.unwrap();
    let oldest = mails.last().unwrap();
    assert!(retried.since == oldest.created_at && retried.attempts >= 2, "{retried:?}");
    assert!(retried.error.contains("refused"), "{retried:?}");

    let server = SmtpServer::start(port);
    let mut subjects: Vec<String> = (0..20).map(|_| server.next().headers()["Subject"].to_owned()).collect();
    subjects.sort_by_key(|subject| subject.split(' ').next_back().unwrap().parse::<u32>().unwrap());
    assert_eq!(subjects, (0..20).map(|number| format!("number {number}")).collect::<Vec<_>>());
    running.mails(|mails| mails.iter().all(is_sent)).await;
    let counts = MailCounts { sent: 20, ..MailCounts::default() };
    assert_eq!(running.monitor.mail_counts().unwrap(), counts);
    running.stop().await;
    assert_eq!(server.more(), 0, "each mail is sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_mail_fails_with_the_servers_words_and_one_that_is_put_off_is_tried_again() {
    if is_left_out() {
        return;
    }
    let server = SmtpServer::start(free_port());
    let running = Running::start(settings(server.port));
    for address in ["refused@example.com", "busy@example.com", "reader@example.com"] {
        running.subscribe(address);
    }
    running.publish("s", "m").await;
    let is_done = |mail: &Mail| !matches!(mail.status, MailStatus::Queued { .. } | MailStatus::Local);
    let mails = running.mails(|mails| mails.iter().all(is_done)).await;
    let status = |name: &str| {
        &mails
            .iter()
            .find(|mail| mail.recipient.as_ref().is_some_and(|address| address.starts_with(name)))
            .unwrap()
            .status
    };
    let words = "550 5.1.1 no mailbox of that name here".to_owned();
    assert_eq!(*status("refused"), MailStatus::Failed { attempts: 1, error: words.clone() });
    let counts = MailCounts { sent: 2, refused: 1, newest_refusal: Some(words), ..MailCounts::default() };
    assert_eq!(running.monitor.mail_counts().unwrap(), counts);
    assert!(matches!(status("busy"), MailStatus::Sent { attempts: 2, .. }), "{mails:?}");
    assert!(matches!(status("reader"), MailStatus::Sent { attempts: 1, .. }), "{mails:?}");
    let mut recipients = [server.next().rcpt_tos, server.next().rcpt_tos];
    recipients.sort();
    assert_eq!(recipients, [["busy@example.com"], ["reader@example.com"]]);
    running.stop().await;
    assert_eq!(server.more(), 0);
}

/// Copies a database as a crash would leave it: without closing it.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_sent_after_a_crash_and_bears_the_same_id_if_it_went_out_before() {
    if is_left_out() {
        return;
    }
    let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let location = |folder: &Path| Location::File(folder.join("monitor.sqlite"));
    let server = SmtpServer::start(free_port());
    let monitor = open(&location(folder.path()), settings(server.port));
    monitor.subscribe("alerts", Protocol::Email, "reader@example.com").unwrap();
    monitor.publish("alerts", Some("s"), "m").await.unwrap();
    copy(folder.path(), crashed.path());
    let running = run(monitor);
    running.mails(|mails| mails.iter().all(is_sent)).await;
    running.stop().await;
    let first = server.next();

    let running = run(open(&location(crashed.path()), settings(server.port)));
    running.mails(|mails| mails.iter().all(is_sent)).await;
    running.stop().await;
    assert_eq!(server.next().headers()["Message-ID"], first.headers()["Message-ID"]);

    let running = run(open(&location(folder.path()), settings(server.port)));
    running.stop().await;
    assert_eq!(server.more(), 0, "what is noted as sent is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_published_just_before_the_end_still_goes_out() {
    if is_left_out() {
        return;
    }
    let server = SmtpServer::start(free_port());
    let monitor = open(&Location::Memory, settings(server.port));
    monitor.subscribe("alerts", Protocol::Email, "reader@example.com").unwrap();
    monitor.publish("alerts", Some("s"), "m").await.unwrap();
    let running = run(monitor.clone());
    running.stop().await;
    assert_eq!(server.next().rcpt_tos, ["reader@example.com"]);
    assert!(is_sent(&monitor.mails(1).unwrap()[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_does_not_wait_for_a_tick() {
    if is_left_out() {
        return;
    }
    let server = SmtpServer::start(free_port());
    let settings = MonitorSettings {
        smtp: Some(settings(server.port)),
        tick_interval: Duration::from_secs(3_600),
        ..MonitorSettings::default()
    };
    let monitor =
        Monitor::open(&Location::Memory, settings, Arc::new(SystemClock), Random::from_seed(7)).unwrap();
    monitor.create_topic("alerts").unwrap();
    let running = run(monitor);
    running.subscribe("reader@example.com");
    for number in 0..3 {
        running.publish(&number.to_string(), "m").await;
        assert_eq!(server.next().headers()["Subject"], number.to_string());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_starttls_gets_no_mail() {
    if is_left_out() {
        return;
    }
    let server = SmtpServer::start(free_port());
    let running = Running::start(SmtpSettings { security: SmtpSecurity::StartTls, ..settings(server.port) });
    running.subscribe("reader@example.com");
    running.publish("s", "m").await;
    let mails = running.mails(|mails| mails.iter().all(|mail| trouble(mail).is_some())).await;
    assert!(trouble(&mails[0]).unwrap().1.contains("STARTTLS"), "{mails:?}");
    running.stop().await;
    assert_eq!(server.more(), 0);
}

/// A server that follows a script: for each connection, a greeting and answers to lines that begin with a word.
fn scripted(greeting: &'static str, answers: &'static [(&'static str, &'static str)]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut writer = stream.try_clone().unwrap();
            if writer.write_all(greeting.as_bytes()).is_err() {
                continue;
            }
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let answer = answers.iter().find(|(word, _)| line.starts_with(word));
                let Some((_, answer)) = answer else { continue };
                // An empty answer hangs up.
                if answer.is_empty() || writer.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    port
}

/// Publishes one mail and waits for a second try; returns the error of the newest.
async fn retried(smtp: SmtpSettings) -> String {
    let running = Running::start(smtp);
    running.subscribe("reader@example.com");
    running.publish("s", "m").await;
    let mails = running
        .mails(|mails| mails.iter().all(|mail| trouble(mail).is_some_and(|(tries, _)| tries >= 2)))
        .await;
    running.stop().await;
    trouble(&mails[0]).unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_left_after_the_timeout() {
    let smtp = SmtpSettings { timeout: Duration::from_millis(100), ..settings(scripted("", &[])) };
    let error = retried(smtp).await;
    assert!(error.contains("no answer within 100ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_all_away_fails_no_mail() {
    let error = retried(settings(scripted("554 closed for today\r\n", &[]))).await;
    assert!(error.contains("554 closed for today"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_login_fails_no_mail() {
    let answers =
        &[("EHLO", "250 hello\r\n"), ("MAIL", "530 5.7.0 Authentication required\r\n"), ("QUIT", "")];
    let error = retried(settings(scripted("220 hello\r\n", answers))).await;
    assert_eq!(error, "530 5.7.0 Authentication required");
}

/// Name `u` and password `p`.
fn with_login(port: u16) -> SmtpSettings {
    let credentials = SmtpCredentials { user_name: "u".to_owned(), password: "p".to_owned() };
    SmtpSettings { credentials: Some(credentials), ..settings(port) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_fails_no_mail() {
    let answers = &[
        ("EHLO", "250-hello\r\n250 AUTH PLAIN\r\n"),
        ("AUTH", "535 5.7.8 wrong password\r\n"),
        ("QUIT", ""),
    ];
    let error = retried(with_login(scripted("220 hello\r\n", answers))).await;
    assert!(error.contains("535 5.7.8 wrong password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_lets_mail_through() {
    let answers = &[
        ("EHLO", "250-hello\r\n250 AUTH PLAIN\r\n"),
        // In base 64: a zero, the name, a zero, the password.
        ("AUTH PLAIN AHUAcA==", "235 welcome\r\n"),
        ("MAIL", "250 ok\r\n"),
        ("RCPT", "250 ok\r\n"),
        ("DATA", "354 go on\r\n"),
        (".", "250 ok\r\n"),
        ("QUIT", ""),
    ];
    let running = Running::start(with_login(scripted("220 hello\r\n", answers)));
    running.subscribe("reader@example.com");
    running.publish("s", "m").await;
    running.mails(|mails| mails.iter().all(is_sent)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_before_it_says_yes_gets_the_mail_again() {
    let answers = &[
        ("EHLO", "250 hello\r\n"),
        ("MAIL", "250 ok\r\n"),
        ("RCPT", "250 ok\r\n"),
        ("DATA", "354 go on\r\n"),
        (".", ""),
    ];
    let error = retried(settings(scripted("220 hello\r\n", answers))).await;
    assert!(!error.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_deaf_server() {
    let running = Running::start(settings(scripted("", &[])));
    running.subscribe("reader@example.com");
    running.publish("s", "m").await;
    let monitor = running.monitor.clone();
    running.stop.send_replace(true);
    timeout(Duration::from_secs(15), running.task).await.expect("it stops").unwrap();
    assert!(matches!(monitor.mails(1).unwrap()[0].status, MailStatus::Queued { .. }));
}
