//! Server-sent events over HTTP.

use std::{sync::Arc, time::Duration};

use crate::support::{ScriptedSource, Server, http::Events, overviews};

const LIVE: &str = "/_console/live";

#[tokio::test]
async fn events_carry_the_parts_that_changed() {
    let source = ScriptedSource::new(overviews::empty());
    let server = Server::start(Arc::clone(&source) as _).await;
    let mut events = Events::open(server.address, LIVE).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["parts"].as_object().unwrap().len(), 11);
    let page = crate::support::http::get(server.address, "/").await.body;
    for (id, html) in first["parts"].as_object().unwrap() {
        assert!(page.contains(html.as_str().unwrap()), "{id} is on the page as in the event");
    }
    let edition = first["edition"].as_str().unwrap();
    assert!(page.contains(&format!(r#"data-edition="{edition}""#)));

    source.change(|overview| overview.mails = overviews::busy(64).mails);
    let second = events.next().await.unwrap();
    assert_eq!(second["parts"].as_object().unwrap().keys().collect::<Vec<_>>(), ["mails"]);
    assert!(second["parts"]["mails"].as_str().unwrap().contains("Anomaly in the reviews"));
    server.stop().await;
}

#[tokio::test]
async fn hostile_text_does_not_break_the_stream() {
    let source = ScriptedSource::new(overviews::hostile());
    let server = Server::start(Arc::clone(&source) as _).await;
    let mut events = Events::open(server.address, LIVE).await;
    let first = events.next().await.unwrap();
    assert!(!first.to_string().contains("<script"));
    source.change(|overview| {
        overview.reviews[0].review_body = "\r\n\r\ndata: x\r\revent: parts\n\ndata: {}".into()
    });
    let second = events.next().await.unwrap();
    assert!(second["parts"]["reviews"].as_str().unwrap().contains("event: parts"));
    server.stop().await;
}

#[tokio::test]
async fn a_graceful_shutdown_ends_the_streams() {
    let source = ScriptedSource::new(overviews::busy(64));
    let server = Server::start(source).await;
    let mut looking = Vec::new();
    for _ in 0..5 {
        let mut events = Events::open(server.address, LIVE).await;
        events.next().await.unwrap();
        looking.push(events);
    }
    tokio::time::timeout(Duration::from_secs(10), server.stop())
        .await
        .expect("the streams hold the server up");
    for mut events in looking {
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn one_browser_too_many_is_refused_until_another_goes() {
    let source = ScriptedSource::new(overviews::empty());
    let server = Server::start(Arc::clone(&source) as _).await;
    let mut looking = Vec::new();
    for _ in 0..millstream_console::MOST_BROWSERS {
        let events = Events::open(server.address, LIVE).await;
        assert_eq!(events.status, 200);
        looking.push(events);
    }
    let refused = crate::support::http::get(server.address, LIVE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    looking.pop();
    // The server notices the closed connection when it next writes or polls it.
    let patience = tokio::time::timeout(Duration::from_secs(30), async {
        while Events::open(server.address, LIVE).await.status != 200 {
            source.change(|overview| overview.summary.records_in += 1);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    patience.await.expect("the place of a gone browser is never given away");
    server.stop().await;
}

#[tokio::test]
async fn a_browser_that_does_not_read_holds_nobody_up() {
    let source = ScriptedSource::new(overviews::busy(180));
    let server = Server::start(Arc::clone(&source) as _).await;
    // It asks and never reads.
    let _slow = crate::support::http::open(server.address, "GET", LIVE).await;
    let mut quick = Events::open(server.address, LIVE).await;
    quick.next().await.unwrap();
    for round in 1..=6_u64 {
        source.change(|overview| overview.summary.records_in = 900_000 + round);
        let update = quick.next().await.unwrap();
        assert!(update["parts"]["totals"].as_str().unwrap().contains(&format!("900,00{round}")));
    }
    server.stop().await;
}
