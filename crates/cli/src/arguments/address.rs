//! An address on this machine, as people write it.

use std::net::SocketAddr;

/// `127.0.0.1:4566`, and what people write for it: `localhost:4566`, `:4566`, `4566`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        || format!("\"{text}\" is not an address: write 127.0.0.1:4566, localhost:4566, :4566 or 4566");
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().map_err(|_| wrong())?;
    match host {
        "" | "localhost" => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for text in ["127.0.0.1:4605", "localhost:4605", ":4605", "4605"] {
            assert_eq!(address(text).unwrap(), SocketAddr::from(([127, 0, 0, 1], 4605)), "{text}");
        }
        for text in ["", "localhost", "example.com:80", "127.0.0.1", ":x", "65536"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
