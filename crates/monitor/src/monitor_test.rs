//! What happens when the database cannot be written, and when the clock is set back.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use millstream_host::{ManualClock, Random, Timestamp};

use crate::mail::sender::Sender;
use crate::{
    Location, MailStatus, MetricKey, Monitor, MonitorSettings, Point, Protocol, PutError, SmtpSecurity,
    SmtpSettings, StatisticsQuery, TopicError,
};

fn open(settings: MonitorSettings) -> Monitor {
    open_with(Arc::new(ManualClock::starting_at(Timestamp(1_767_323_040_000))), settings)
}

fn open_with(clock: Arc<ManualClock>, settings: MonitorSettings) -> Monitor {
    Monitor::open(&Location::Memory, settings, clock, Random::from_seed(7)).unwrap()
}

/// Reading works, writing does not.
fn set_read_only(monitor: &Monitor, is_read_only: bool) {
    monitor.store().connection.pragma_update(None, "query_only", is_read_only).unwrap();
}

#[test]
fn points_wait_in_memory_are_counted_once_and_are_refused_when_memory_is_full() {
    let monitor = open(MonitorSettings { max_pending_buckets: 10, ..MonitorSettings::default() });
    let metric = MetricKey::new("n", "m", []).unwrap();
    let point = |second: i64| Point {
        at: Some(Timestamp(1_767_323_000_000 + second * 1_000)),
        ..Point::value(metric.clone(), 1.0)
    };
    let sum = || {
        let query = StatisticsQuery {
            metric: metric.clone(),
            statistics: vec!["Sum".parse().unwrap()],
            period: 3_600,
            start: Timestamp(1_767_320_000_000),
            end: Timestamp(1_767_330_000_000),
            unit: None,
        };
        monitor.statistics(&query).unwrap().iter().filter_map(|datapoint| datapoint.values[0]).sum::<f64>()
    };
    monitor.put(&[point(0), point(1)]).unwrap();
    monitor.tick().unwrap();
    set_read_only(&monitor, true);
    let mut taken = 2.0;
    let error = (2..).find_map(|second| {
        let result = monitor.put(&[point(second)]);
        if result.is_ok() {
            taken += 1.0;
            assert!(monitor.tick().is_err());
        }
        assert_eq!(sum(), taken, "refused points do not count, others do, once");
        result.err()
    });
    assert!(matches!(error, Some(PutError::Store(_))), "{error:?}");
    assert_eq!(taken, 12.0);
    set_read_only(&monitor, false);
    monitor.tick().unwrap();
    assert_eq!(sum(), taken);
}

/// A database that may not grow is what a full disk looks like to SQLite.
#[tokio::test]
async fn a_full_disk_refuses_a_message_whole_and_room_makes_it_work_again() {
    let monitor = open(MonitorSettings::default());
    monitor.create_topic("t").unwrap();
    for name in ["a@example.com", "b@example.com"] {
        monitor.subscribe("t", Protocol::Email, name).unwrap();
    }
    let pages: i64 = monitor.store().connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |pages: i64| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        monitor.store().connection.query_row(&pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    };
    limit(pages + 30);
    // Room for one of the two mails.
    let message = "x".repeat(100_000);
    let error = monitor.publish("t", None, &message).await.unwrap_err();
    assert!(matches!(error, TopicError::Store(_)) && error.to_string().contains("disk"), "{error}");
    assert_eq!(monitor.mails(10).unwrap(), []);
    limit(1_000_000);
    monitor.publish("t", None, &message).await.unwrap();
    assert_eq!(monitor.mails(10).unwrap().len(), 2);
}

/// An SMTP server that takes everything; returns its port and how many letters it has.
fn taking() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let letters = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&letters);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let reader = BufReader::new(stream.try_clone().unwrap());
            stream.write_all(b"220 hello\r\n").unwrap();
            let mut is_letter = false;
            for line in reader.lines().map_while(Result::ok) {
                if is_letter && line != "." {
                    continue;
                }
                is_letter = line == "DATA";
                counted.fetch_add(usize::from(is_letter), Ordering::SeqCst);
                let answer = if is_letter { "354 go on\r\n" } else { "250 ok\r\n" };
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (port, letters)
}

fn with_server(port: u16) -> MonitorSettings {
    let smtp = SmtpSettings {
        security: SmtpSecurity::None,
        ..SmtpSettings::new("127.0.0.1", port, "no-reply@example.com")
    };
    MonitorSettings { smtp: Some(smtp), ..MonitorSettings::default() }
}

fn subscribe(monitor: &Monitor) {
    monitor.create_topic("t").unwrap();
    monitor.subscribe("t", Protocol::Email, "a@example.com").unwrap();
}

#[tokio::test]
async fn mail_does_not_wait_for_a_clock_that_was_set_back() {
    let (port, letters) = taking();
    let start = Timestamp(1_767_323_040_000);
    let clock = Arc::new(ManualClock::starting_at(start));
    let hours = |hours: i64| Timestamp(start.0 + hours * 3_600_000);
    let dead = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let monitor = open_with(Arc::clone(&clock), with_server(dead.local_addr().unwrap().port()));
    drop(dead);
    subscribe(&monitor);
    monitor.publish("t", None, "m").await.unwrap();
    let mut sender = Sender::new(monitor.clone(), monitor.0.smtp.borrow().clone().unwrap());
    let attempts = || match monitor.mails(1).unwrap()[0].status {
        MailStatus::Queued { attempts, .. } => attempts,
        _ => panic!("it is not queued"),
    };
    sender.round().await.unwrap();
    assert_eq!(attempts(), 1);
    sender.round().await.unwrap();
    assert_eq!(attempts(), 1, "it waits");
    monitor.publish("t", None, "m").await.unwrap();
    sender.round().await.unwrap();
    assert_eq!(attempts(), 0, "a new mail does not make us call at a dead server's door more often");
    clock.set(hours(-1));
    sender.round().await.unwrap();
    assert_eq!(attempts(), 1, "it does not wait for an hour");
    clock.set(hours(-3));
    let with_other = with_server(port).smtp.unwrap();
    let mut sender = Sender::new(monitor.clone(), crate::mail::SmtpServer::new(&with_other).unwrap());
    sender.round().await.unwrap();
    assert_eq!(letters.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_mail_whose_sending_cannot_be_noted_is_not_sent_again_and_again() {
    let (port, letters) = taking();
    let monitor = open(with_server(port));
    subscribe(&monitor);
    monitor.publish("t", None, "m").await.unwrap();
    monitor.publish("t", None, "m").await.unwrap();
    set_read_only(&monitor, true);
    let mut sender = Sender::new(monitor.clone(), monitor.0.smtp.borrow().clone().unwrap());
    for _ in 0..5 {
        assert!(sender.round().await.is_err());
        assert_eq!(letters.load(Ordering::SeqCst), 1);
    }
    set_read_only(&monitor, false);
    sender.round().await.unwrap();
    assert_eq!(letters.load(Ordering::SeqCst), 2);
    let mails = monitor.mails(10).unwrap();
    assert!(
        mails.iter().all(|mail| matches!(mail.status, MailStatus::Sent { attempts: 1, .. })),
        "{mails:?}"
    );
}
