//! Just enough HTTP/1.1 to look at answers as they are on the wire.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Asks and reads the whole answer.
pub async fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    let (status, headers, mut reader) = open(address, method, path).await;
    let mut answer = Answer { status, headers, body: String::new() };
    match answer.header("content-length").parse::<usize>() {
        Ok(length) if method != "HEAD" => {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).await.unwrap();
            answer.body = String::from_utf8(body).unwrap();
        }
        _ => {
            reader.read_to_string(&mut answer.body).await.unwrap();
        }
    }
    answer
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path).await
}

/// Asks and reads the head of the answer.
pub async fn open(
    address: SocketAddr,
    method: &str,
    path: &str,
) -> (u16, Vec<(String, String)>, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    let status =
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).await.unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
            None => return (status, headers, reader),
        }
    }
}

/// A stream of server-sent events.
pub struct Events {
    pub status: u16,
    reader: BufReader<TcpStream>,
}

impl Events {
    pub async fn open(address: SocketAddr, path: &str) -> Events {
        let (status, headers, reader) = open(address, "GET", path).await;
        if status == 200 {
            assert!(headers.contains(&("content-type".into(), "text/event-stream".into())), "{headers:?}");
        }
        Events { status, reader }
    }

    /// The data of the next event `parts`; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<serde_json::Value> {
        let mut is_parts = false;
        let mut line = String::new();
        loop {
            line.clear();
            if self.reader.read_line(&mut line).await.unwrap() == 0 {
                return None;
            }
            // Lines of chunk lengths stand between; they hold no colon.
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => is_parts = name == "parts",
                Some(("data", data)) if is_parts => return Some(serde_json::from_str(data).unwrap()),
                _ => {}
            }
        }
    }
}
