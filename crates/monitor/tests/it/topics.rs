//! Topics and the local mailbox from outside.

use crate::world::{START, World};
use millstream_host::Random;
use millstream_monitor::{
    Location, MailStatus, Monitor, MonitorSettings, OpenError, Protocol, SmtpCredentials, SmtpSecurity,
    SmtpSettings, TopicError, TopicMails,
};

/// A server that no test connects to.
fn smtp() -> SmtpSettings {
    SmtpSettings::new("mail.example.com", 587, "Millstream <no-reply@example.com>")
}

#[tokio::test]
async fn each_subscriber_gets_one_mail() {
    let world = World::new();
    let monitor = &world.monitor;
    monitor.create_topic("t").unwrap();
    monitor.create_topic("t").unwrap();
    assert_eq!(monitor.topics().unwrap().len(), 1);
    let first = monitor.subscribe("t", Protocol::Email, "a@example.com").unwrap();
    assert_eq!(monitor.subscribe("t", Protocol::Email, "a@example.com").unwrap(), first);
    let second = monitor.subscribe("t", Protocol::Email, "b@example.com").unwrap();
    assert_eq!(monitor.subscriptions(Some("t")).unwrap(), [first.clone(), second.clone()]);

    let mut changes = monitor.changes();
    let id = monitor.publish("t", Some("Subject"), "text").await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let mails = monitor.mails(10).unwrap();
    let recipients: Vec<_> = mails.iter().map(|mail| mail.recipient.as_deref()).collect();
    assert_eq!(recipients, [Some("b@example.com"), Some("a@example.com")]);
    assert!(mails.iter().all(|mail| mail.message_id == id.0 && mail.status == MailStatus::Local));
    assert!(
        mails.iter().all(|mail| mail.subject == "Subject" && mail.body == "text" && mail.created_at == START)
    );

    monitor.unsubscribe(&first.id).unwrap();
    assert!(matches!(monitor.unsubscribe(&first.id), Err(TopicError::SubscriptionNotFound(_))));
    let other = monitor.publish("t", None, "text").await.unwrap();
    assert_ne!(id, other);
    let mails = monitor.mails(1).unwrap();
    assert_eq!(mails[0].recipient.as_deref(), Some("b@example.com"));
    assert_eq!(mails[0].subject, "Message from topic t");
    assert_eq!(monitor.mails(10).unwrap().len(), 3);
    let of_topic = monitor.topic_mails("t").unwrap();
    assert_eq!((of_topic.kept, of_topic.newest), (3, Some(("Message from topic t".to_owned(), START))));

    monitor.delete_topic("t").unwrap();
    monitor.delete_topic("t").unwrap();
    assert_eq!(monitor.subscriptions(None).unwrap(), []);
    assert_eq!(monitor.mails(10).unwrap().len(), 3, "mails outlive their topic");
    world.advance(1);
    monitor.create_topic("t").unwrap();
    assert_eq!(monitor.topic_mails("t").unwrap(), TopicMails::default(), "they are not those of another one");
}

#[tokio::test]
async fn a_message_to_no_one_is_kept() {
    let world =
        World::with(&Location::Memory, MonitorSettings { smtp: Some(smtp()), ..MonitorSettings::default() });
    world.monitor.create_topic("t").unwrap();
    world.monitor.publish("t", Some("s"), "m").await.unwrap();
    let mails = world.monitor.mails(10).unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!((&mails[0].recipient, &mails[0].status), (&None, &MailStatus::Local));
}

#[tokio::test]
async fn subjects_and_addresses_cannot_carry_headers() {
    let world = World::new();
    world.monitor.create_topic("t").unwrap();
    let long = "x".repeat(101);
    for subject in
        ["a\r\nBcc: b@example.com", "a\nb", "a\rb", "a\u{2028}b", "a\u{85}b", "a\0", "", "  ", &long]
    {
        let error = world.monitor.publish("t", Some(subject), "m").await.unwrap_err();
        assert!(matches!(error, TopicError::Subject), "{subject:?}: {error}");
    }
    world.monitor.publish("t", Some(&"é".repeat(100)), "m").await.unwrap();
    for address in ["a@example.com\r\nBcc: b@example.com", "a@example.com\0", "A <a@example.com>", "nobody"] {
        let error = world.monitor.subscribe("t", Protocol::Email, address).unwrap_err();
        assert!(matches!(error, TopicError::Address { .. }), "{address:?}: {error}");
    }
}

#[tokio::test]
async fn limits_are_named() {
    let settings = MonitorSettings { max_mails_queued: 2, smtp: Some(smtp()), ..MonitorSettings::default() };
    let world = World::with(&Location::Memory, settings);
    let monitor = &world.monitor;
    let error = monitor.publish("t", None, "m").await.unwrap_err();
    assert!(matches!(error, TopicError::NotFound(_)), "{error}");
    assert!(matches!(monitor.create_topic("a b"), Err(TopicError::Name(_))));
    assert!(matches!(monitor.subscribe("t", Protocol::Email, "a@example.com"), Err(TopicError::NotFound(_))));
    monitor.create_topic("t").unwrap();
    for message in [String::new(), "x".repeat(262_145)] {
        let error = monitor.publish("t", None, &message).await.unwrap_err();
        assert!(matches!(error, TopicError::MessageSize(size) if size == message.len()), "{error}");
    }
    for name in ["a@example.com", "b@example.com"] {
        monitor.subscribe("t", Protocol::Email, name).unwrap();
    }
    monitor.publish("t", None, &"x".repeat(262_144)).await.unwrap();
    let error = monitor.publish("t", None, "m").await.unwrap_err();
    assert!(matches!(error, TopicError::QueueFull { queued: 2, limit: 2 }), "{error}");
    assert_eq!(monitor.mails(10).unwrap().len(), 2, "all mails of a message, or none");

    for index in 2..1_000 {
        monitor.subscribe("t", Protocol::Email, &format!("reader-{index}@example.com")).unwrap();
    }
    let error = monitor.subscribe("t", Protocol::Email, "one-more@example.com").unwrap_err();
    assert!(matches!(error, TopicError::TooManySubscriptions(_)), "{error}");
}

#[tokio::test]
async fn the_mailbox_keeps_the_newest() {
    let settings = MonitorSettings { max_mails_kept: 3, ..MonitorSettings::default() };
    let world = World::with(&Location::Memory, settings);
    world.monitor.create_topic("t").unwrap();
    for number in 0..10 {
        world.monitor.publish("t", None, &number.to_string()).await.unwrap();
    }
    world.tick();
    let bodies: Vec<_> = world.monitor.mails(100).unwrap().into_iter().map(|mail| mail.body).collect();
    assert_eq!(bodies, ["9", "8", "7"]);
}

/// Opens again what was published, after an orderly end and after a crash: a copy of the files that a process which never
/// closed them had on disk at the moment `publish` returned.
#[tokio::test]
async fn mails_and_the_queue_are_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let settings = MonitorSettings { smtp: Some(smtp()), ..MonitorSettings::default() };
    let location = |folder: &tempfile::TempDir| Location::File(folder.path().join("monitor.sqlite"));
    let world = World::with(&location(&folder), settings.clone());
    world.monitor.create_topic("t").unwrap();
    world.monitor.subscribe("t", Protocol::Email, "a@example.com").unwrap();
    world.monitor.publish("t", Some("s"), "m").await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), crashed.path().join(entry.file_name())).unwrap();
    }
    let published = world.monitor.mails(10).unwrap();
    let queued = MailStatus::Queued { attempts: 0, last_error: None, next_attempt_at: START };
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].status, queued);
    drop(world);
    for folder in [&folder, &crashed] {
        let world = World::with(&location(folder), settings.clone());
        assert_eq!(world.monitor.mails(10).unwrap(), published);
        world.monitor.publish("t", Some("s"), "m").await.unwrap();
        let mails = world.monitor.mails(10).unwrap();
        assert_eq!(mails.len(), 2);
        assert_ne!(mails[0].message_id, mails[1].message_id);
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let check = |change: fn(&mut SmtpSettings), words: &str| {
        let mut smtp = smtp();
        change(&mut smtp);
        let settings = MonitorSettings { smtp: Some(smtp), ..MonitorSettings::default() };
        let clock = std::sync::Arc::new(millstream_host::ManualClock::default());
        let opened = Monitor::open(&Location::Memory, settings, clock, Random::from_seed(1));
        let Err(error) = opened else { panic!("{words}: it opened") };
        assert!(matches!(error, OpenError::Smtp(_)));
        assert!(error.to_string().contains(words), "{error}");
    };
    check(|smtp| smtp.host.clear(), "host");
    check(|smtp| smtp.host = "a b".to_owned(), "host");
    check(|smtp| smtp.port = 0, "port");
    check(|smtp| smtp.from = "nobody".to_owned(), "not an address");
    check(|smtp| smtp.from = "a\r\nBcc: b@example.com <a@example.com>".to_owned(), "control characters");
    check(|smtp| smtp.timeout = std::time::Duration::ZERO, "timeout");
    let secret = |smtp: &mut SmtpSettings| {
        smtp.security = SmtpSecurity::None;
        smtp.credentials = Some(SmtpCredentials { user_name: "u".to_owned(), password: "hidden".to_owned() });
    };
    check(secret, "plain sight");
    let mut shown = smtp();
    secret(&mut shown);
    assert!(!format!("{shown:?}").contains("hidden"));
}

#[tokio::test]
async fn a_message_with_the_id_of_an_earlier_one_is_no_second_mail() {
    let world = World::new();
    let monitor = &world.monitor;
    monitor.create_topic("t").unwrap();
    monitor.create_topic("u").unwrap();
    monitor.subscribe("t", Protocol::Email, "a@example.com").unwrap();
    let first = monitor.publish_once("call-1", "t", Some("Subject"), "text").await.unwrap();
    assert_eq!(monitor.publish_once("call-1", "t", Some("Subject"), "text").await.unwrap(), first);
    assert_eq!(monitor.mails(10).unwrap().len(), 1);
    monitor.publish_once("call-1", "u", None, "text").await.unwrap();
    monitor.publish_once("call-2", "t", None, "text").await.unwrap();
    assert_eq!(monitor.mails(10).unwrap().len(), 3, "another topic, another id");
    for wrong in ["", "a b", "a\r\nBcc: b@example.com", &"x".repeat(129)] {
        let error = monitor.publish_once(wrong, "t", None, "text").await.unwrap_err();
        assert!(matches!(error, TopicError::MessageId), "{wrong}: {error}");
    }
}
