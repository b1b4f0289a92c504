//! A real SMTP server as a child process: `aiosmtpd`, a Python package.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct SmtpServer {
    child: Child,
    messages: Receiver<String>,
    pub port: u16,
}

/// A message as the server got it.
#[derive(Debug, Deserialize)]
pub struct Arrived {
    pub mail_from: String,
    pub rcpt_tos: Vec<String>,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Arrived {
    /// The headers by name; fails if one stands twice.
    pub fn headers(&self) -> BTreeMap<&str, &str> {
        let headers: BTreeMap<_, _> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers.len(), self.headers.len(), "{:?}", self.headers);
        headers
    }
}

/// A port that nobody listens on now, another one at each call. It is below those that Linux gives to connections, so that
/// none of ours takes it, or meets itself there, while no server listens.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97).wrapping_add(CALLS.fetch_add(1, Ordering::SeqCst));
        let port = 20_000 + u16::try_from(number % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether whoever runs the tests has said that there is no mail server here.
pub fn is_left_out() -> bool {
    std::env::var("MILLSTREAM_TEST_LEAVE_OUT").is_ok_and(|names| names.split(',').any(|name| name == "mail"))
}

fn python() -> String {
    let python = std::env::var("MILLSTREAM_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imported = Command::new(&python).args(["-c", "import aiosmtpd"]).output();
    assert!(
        imported.as_ref().is_ok_and(|output| output.status.success()),
        "this test sends mail to a real SMTP server, aiosmtpd, which {python} cannot import. Install it with\n    \
         {python} -m pip install aiosmtpd==1.4.6\nor name another Python in the variable \
         MILLSTREAM_TEST_PYTHON.\n{imported:?}"
    );
    python
}

impl SmtpServer {
    /// Starts a server and waits until it answers.
    pub fn start(port: u16) -> SmtpServer {
        let handlers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut child = Command::new(python())
            .args(["-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}"), "-c", "smtp_handler.Printing"])
            .env("PYTHONPATH", handlers)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = SmtpServer { child, messages, port };
        server.wait_until_it_answers();
        server
    }

    fn wait_until_it_answers(&mut self) {
        let pause = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the SMTP server ended with {status}");
            }
            let greeting = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
                let mut code = [0; 3];
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_exact(&mut code)?;
                Ok(code)
            });
            if greeting.is_ok_and(|code| &code == b"220") {
                return;
            }
            thread::sleep(pause);
        }
        panic!("the SMTP server does not answer on port {}", self.port);
    }

    /// The next message that arrives.
    pub fn next(&self) -> Arrived {
        let line = self.messages.recv_timeout(PATIENCE).expect("a message arrives");
        serde_json::from_str(&line).unwrap()
    }

    /// How many more have arrived by now.
    pub fn more(&self) -> usize {
        self.messages.try_iter().count()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
