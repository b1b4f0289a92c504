//! The page in a real browser: it loads, it lives, it fits a phone, and nothing complains.
//!
//! `MILLSTREAM_SCREENSHOTS=FOLDER` keeps the pictures.

use std::{path::PathBuf, sync::Arc};

use crate::chromium::Browser;
use crate::support::{
    ScriptedSource, Server,
    overviews::{self, HOSTILE},
};
use millstream_control::view::OverviewSource;
use tempfile::TempDir;

/// Where pictures go: the folder that the environment names, or one that is removed.
struct Pictures {
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Pictures {
    fn new() -> Pictures {
        match std::env::var_os("MILLSTREAM_SCREENSHOTS") {
            Some(folder) => {
                std::fs::create_dir_all(&folder).unwrap();
                Pictures { folder: folder.into(), _temporary: None }
            }
            None => {
                let temporary = tempfile::tempdir().unwrap();
                Pictures { folder: temporary.path().to_owned(), _temporary: Some(temporary) }
            }
        }
    }

    /// Takes a picture of the whole page and sees that it is one.
    async fn take(&self, browser: &mut Browser, name: &str) {
        self.take_part(browser, name, true).await;
    }

    /// Takes a picture of what is in view, or of the whole page.
    async fn take_part(&self, browser: &mut Browser, name: &str, is_whole_page: bool) {
        let path = self.folder.join(name);
        browser.screenshot(&path, is_whole_page).await;
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{name} has {} bytes", bytes.len());
    }
}

async fn show(source: &Arc<ScriptedSource>) -> (Server, String) {
    let server = Server::start(Arc::clone(source) as Arc<dyn OverviewSource>).await;
    let url = format!("http://{}/", server.address);
    (server, url)
}

#[tokio::test]
async fn the_page_lives_without_reload() {
    if crate::chromium::is_left_out() {
        return;
    }
    let pictures = Pictures::new();
    let source = ScriptedSource::new(overviews::empty());
    let (server, url) = show(&source).await;
    let mut browser = Browser::start().await;
    browser.set_preferences("light", true).await;
    browser.set_view(1280, 800, 1.0, false).await;
    browser.open(&url).await;
    browser.wait_for("document.body.dataset.connection === 'live'").await;
    assert!(browser.text("#averages").await.contains("first window closes"));
    assert!(browser.text("#mails").await.contains("A mail appears here"));
    pictures.take(&mut browser, "empty.png").await;
    // Lost by any reload.
    browser.evaluate("window.isTheSamePage = true").await;

    source.change(|overview| *overview = overviews::busy(50));
    browser.wait_for("document.querySelector('#averages path.line') !== null").await;
    assert!(browser.text("#totals").await.contains("1,000"));
    assert!(browser.text("#mails").await.contains("A mail appears here"), "no mail before the burst");

    source.change(|overview| *overview = overviews::busy(64));
    browser.wait_for("document.querySelectorAll('#mails details').length === 1").await;
    assert!(browser.text("#mails .subject").await.contains("Anomaly in the reviews"));
    assert!(browser.text("#announcements").await.contains("New mail: Anomaly in the reviews"));

    // A mail that is open stays open, and keeps the focus, when the next one arrives.
    browser.evaluate("document.querySelector('#mails summary').focus(), document.querySelector('#mails details').open = true").await;
    source.change(|overview| *overview = overviews::busy(90));
    browser.wait_for("document.querySelectorAll('#mails details').length === 3").await;
    let open =
        browser.evaluate("[...document.querySelectorAll('#mails details')].map((mail) => mail.open)").await;
    assert_eq!(open, serde_json::json!([false, false, true]));
    let focused = browser.evaluate("document.activeElement.closest('details')?.open").await;
    assert_eq!(focused, serde_json::json!(true), "the focus stays on the open mail");
    assert_eq!(browser.evaluate("window.isTheSamePage").await, serde_json::json!(true));

    // Paused, the page keeps still and lets go of its connection; then it catches up.
    browser.evaluate("document.querySelector('#pause').click()").await;
    assert_eq!(browser.text("#connection").await, "Paused");
    source.change(|overview| *overview = overviews::busy(180));
    browser.evaluate("new Promise((done) => setTimeout(done, 600))").await;
    assert!(browser.text("#totals").await.contains("1,800"), "a paused page has changed");
    browser.evaluate("document.querySelector('#pause').click()").await;
    browser.wait_for("document.querySelector('#totals').textContent.includes('3,600')").await;
    browser.evaluate("document.querySelectorAll('details').forEach((details) => details.open = false)").await;
    for width in [360, 320, 600, 899, 900, 1100, 1600] {
        browser.set_view(width, 800, 1.0, width < 800).await;
        assert_eq!(browser.overflow().await, 0, "the page scrolls sideways at {width} pixels");
    }
    browser.evaluate("document.activeElement.blur()").await;
    browser.set_view(1280, 800, 1.5, false).await;
    pictures.take(&mut browser, "light.png").await;
    browser.set_preferences("dark", true).await;
    pictures.take(&mut browser, "dark.png").await;
    // The front of a page, as for a README.
    browser.set_view(1280, 1260, 1.5, false).await;
    browser.evaluate("window.scrollTo(0, 0)").await;
    pictures.take_part(&mut browser, "front-dark.png", false).await;
    browser.set_preferences("light", true).await;
    pictures.take_part(&mut browser, "front-light.png", false).await;
    browser.set_preferences("dark", true).await;
    browser.set_view(360, 780, 2.0, true).await;
    pictures.take(&mut browser, "phone-dark.png").await;
    browser.set_preferences("light", true).await;
    pictures.take(&mut browser, "phone.png").await;
    assert_eq!(browser.complaints(), [""; 0]);

    server.stop().await;
    browser.wait_for("document.body.dataset.connection === 'lost'").await;
    assert!(browser.text("#connection").await.contains("trying again"));
}

#[tokio::test]
async fn the_page_loads_itself_anew_when_the_program_was_started_anew() {
    if crate::chromium::is_left_out() {
        return;
    }
    let source = ScriptedSource::new(overviews::busy(20));
    let (server, url) = show(&source).await;
    let mut browser = Browser::start().await;
    browser.open(&url).await;
    browser.wait_for("document.body.dataset.connection === 'live'").await;
    browser.evaluate("window.isTheSamePage = true").await;
    let address = server.address;
    server.stop().await;
    browser.wait_for("document.body.dataset.connection === 'lost'").await;

    let mut overview = overviews::busy(20);
    overview.version = "0.2.0 (newer)".into();
    let server = Server::start_at(address, ScriptedSource::new(overview)).await;
    browser.wait_for("document.querySelector('footer')?.textContent.includes('0.2.0 (newer)')").await;
    assert_eq!(browser.evaluate("window.isTheSamePage").await, serde_json::Value::Null);
    server.stop().await;
}

#[tokio::test]
async fn hostile_text_does_nothing() {
    if crate::chromium::is_left_out() {
        return;
    }
    let source = ScriptedSource::new(overviews::hostile());
    let (server, url) = show(&source).await;
    let mut browser = Browser::start().await;
    browser.set_view(360, 780, 1.0, true).await;
    browser.open(&url).await;
    browser.wait_for("document.body.dataset.connection === 'live'").await;
    source.change(|overview| overview.problems[0].message = format!("swapped in {HOSTILE}"));
    browser.wait_for("document.querySelector('#problems').textContent.includes('swapped in')").await;
    let strangers =
        browser.evaluate("document.querySelectorAll('script:not([src]), img[onerror], main script').length");
    assert_eq!(strangers.await, serde_json::json!(0));
    assert!(browser.text("#reviews .body").await.contains("<script>alert(1)</script>"));
    assert_eq!(browser.overflow().await, 0);
    assert_eq!(browser.complaints(), [""; 0]);
    server.stop().await;
}

#[tokio::test]
async fn the_page_works_without_script_and_when_lost() {
    if crate::chromium::is_left_out() {
        return;
    }
    let source = ScriptedSource::new(overviews::busy(90));
    let (server, url) = show(&source).await;
    let mut browser = Browser::start().await;
    browser.set_scripts_allowed(false).await;
    browser.open(&url).await;
    assert_eq!(browser.text("#connection").await, "Reload for newer numbers");
    assert!(browser.text("#mails").await.contains("Anomaly in the reviews"));
    assert_eq!(browser.evaluate("document.querySelectorAll('path.line').length").await, serde_json::json!(3));

    browser.open(&format!("{url}nowhere")).await;
    assert!(browser.text("main").await.contains("The live page"));
    server.stop().await;
}
