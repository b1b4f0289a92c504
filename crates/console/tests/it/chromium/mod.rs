//! A headless Chromium for tests, driven by the DevTools protocol over a pipe.
//!
//! ```text
//!  test ──JSON, NUL──▶ fd 3 ┐
//!                           ├ chromium --remote-debugging-pipe
//!  test ◀──JSON, NUL── fd 4 ┘
//! ```
//!
//! The pipe needs no port and no WebSocket client, and Chromium ends when it closes. The file depends on `tokio`,
//! `serde_json`, `base64` and `tempfile` only: other crates include it by `#[path]`.
//!
//! Everything panics with a message: it is for tests.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{path::Path, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

/// Names the browser to use; else it is `chromium` on PATH.
const CHROMIUM_VARIABLE: &str = "MILLSTREAM_TEST_CHROMIUM";

/// How long the browser may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser with one page.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    next_id: u64,
    session: Option<String>,
    complaints: Vec<String>,
    // Removed after the process has been killed: fields drop in order.
    _profile: TempDir,
}

/// Whether whoever runs the tests has said that there is no browser here.
pub fn is_left_out() -> bool {
    std::env::var("MILLSTREAM_TEST_LEAVE_OUT")
        .is_ok_and(|names| names.split(',').any(|name| name == "browser"))
}

impl Browser {
    /// Starts the browser with a new empty profile and a blank page.
    pub async fn start() -> Browser {
        let chromium = std::env::var(CHROMIUM_VARIABLE).unwrap_or_else(|_| "chromium".into());
        let profile = tempfile::tempdir().expect("a temporary directory for the profile of the browser");
        // The shell moves the pipes of this process to the descriptors 3 and 4 that Chromium talks on.
        let mut process = Command::new("/bin/sh")
            .args([
                "-c",
                r#"command -v "$0" >&2 || exit 127; exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#,
            ])
            .arg(&chromium)
            .args([
                "--remote-debugging-pipe",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("/bin/sh starts");
        let commands = process.stdin.take().expect("stdin is piped");
        let messages = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut browser = Browser {
            process,
            commands,
            messages,
            next_id: 1,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        if let Err(error) = browser.try_call("Browser.getVersion", json!({})).await {
            let status = timeout(Duration::from_secs(5), browser.process.wait()).await;
            panic!(
                "the browser `{chromium}` does not start ({error}; {status:?}).\n\
                 The browser tests need Chromium: on Debian `apt-get install chromium`. \
                 Another one is named by {CHROMIUM_VARIABLE}=/path/to/chromium."
            );
        }
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({})).await;
        }
        browser
    }

    /// Opens an address and waits until it has loaded.
    pub async fn open(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(answer.get("errorText").is_none(), "cannot open {url}: {}", answer["errorText"]);
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'").await;
    }

    /// The size of the view in CSS pixels, drawn at `scale` pixels each; `is_mobile` as on a phone.
    pub async fn set_view(&mut self, width: u32, height: u32, scale: f64, is_mobile: bool) {
        let view =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_mobile });
        self.call("Emulation.setDeviceMetricsOverride", view).await;
    }

    /// What the person has set in the system: a `light` or `dark` colour scheme, and whether things should not move.
    pub async fn set_preferences(&mut self, scheme: &str, is_still: bool) {
        let motion = if is_still { "reduce" } else { "no-preference" };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Forbids or allows pages to run scripts, from the next page on.
    pub async fn set_scripts_allowed(&mut self, is_allowed: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !is_allowed })).await;
    }

    /// The value of a JavaScript expression in the page; promises are awaited.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        self.try_evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn try_evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.try_call("Runtime.evaluate", ask).await?;
        match answer.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until a JavaScript expression is true. One that throws, or whose page goes, is not true yet.
    pub async fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.try_evaluate(expression).await;
            if found == Ok(json!(true)) {
                return;
            }
            if Instant::now() > deadline {
                let shown = self.evaluate("document.body ? document.body.innerText : ''").await;
                panic!("not true within {PATIENCE:?} but {found:?}: {expression}\nthe page shows: {shown}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text of the first element that a CSS selector finds.
    pub async fn text(&mut self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({}).textContent", json!(selector))).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// How many CSS pixels the page is wider than its view; 0 when it does not scroll sideways.
    pub async fn overflow(&mut self) -> i64 {
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.evaluate(overflow).await.as_i64().expect("a number of pixels")
    }

    /// Stores a picture of the view, or of the whole page, as PNG.
    pub async fn screenshot(&mut self, path: &Path, is_whole_page: bool) {
        let mut ask = json!({ "format": "png" });
        if is_whole_page {
            let metrics = self.call("Page.getLayoutMetrics", json!({})).await;
            let (width, height) = (&metrics["cssContentSize"]["width"], &metrics["cssContentSize"]["height"]);
            ask["captureBeyondViewport"] = json!(true);
            ask["clip"] = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        }
        let answer = self.call("Page.captureScreenshot", ask).await;
        let png = BASE64.decode(answer["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(path, png).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// What the browser has complained about so far: errors and warnings of the console, uncaught exceptions, refused
    /// resources, breaches of the Content-Security-Policy.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// A command of the DevTools protocol; its result.
    pub async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let id = self.next_id;
        self.next_id += 1;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).await.map_err(|error| error.to_string())?;
        loop {
            let message = timeout(PATIENCE, self.message()).await;
            let message = message.map_err(|_| format!("no answer within {PATIENCE:?}"))??;
            if message["id"] == json!(id) {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.note_complaint(&message);
        }
    }

    /// The next message of the browser.
    async fn message(&mut self) -> Result<Value, String> {
        let mut bytes = Vec::new();
        let length = self.messages.read_until(0, &mut bytes).await.map_err(|error| error.to_string())?;
        if length == 0 {
            return Err("it has closed its pipe".into());
        }
        bytes.pop();
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }

    fn note_complaint(&mut self, message: &Value) {
        let parameters = &message["params"];
        let is_bad = |level: &Value| matches!(level.as_str(), Some("error" | "warning" | "assert"));
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(parameters["exceptionDetails"].to_string())
            }
            Some("Runtime.consoleAPICalled") if is_bad(&parameters["type"]) => {
                self.complaints.push(parameters["args"].to_string());
            }
            Some("Log.entryAdded") if is_bad(&parameters["entry"]["level"]) => {
                self.complaints.push(parameters["entry"].to_string());
            }
            _ => {}
        }
    }
}
