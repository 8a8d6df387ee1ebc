//! As much of HTTP/1.1 as a client of the API speaks, written out by hand so that an answer can go wrong anywhere.

use std::io;

use tokio::net::TcpStream;

use crate::server::{Reply, Request};

/// More than any header block of a real client.
const MAX_HEAD: usize = 64 * 1024;
/// More than any request body of a real client.
const MAX_BODY: usize = 1024 * 1024;

/// A request as it came over the wire.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WireRequest {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl WireRequest {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.target,
            api_key: self.header("x-api-key"),
            content_type: self.header("content-type"),
            body: &self.body,
        }
    }

    pub(super) fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

/// The next request of a connection; `None` when the client closed it. `buffer` keeps what came early.
pub(super) async fn read(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<WireRequest>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too long"));
        }
        if more(stream, buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = buffer.drain(..head_end).collect();
    let mut request = parse(&head).ok_or_else(|| invalid("the head is no HTTP/1.1"))?;
    if request.header("transfer-encoding").is_some() {
        return Err(invalid("chunked bodies are not read"));
    }
    let length = request.header("content-length").map_or(Some(0), |v| v.trim().parse().ok());
    let length: usize =
        length.filter(|l| *l <= MAX_BODY).ok_or_else(|| invalid("no usable content-length"))?;
    if request.header("expect").is_some() && buffer.len() < length {
        write(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while buffer.len() < length {
        if more(stream, buffer).await? == 0 {
            return Ok(None);
        }
    }
    request.body = buffer.drain(..length).collect();
    Ok(Some(request))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn parse(head: &[u8]) -> Option<WireRequest> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target, version) = (first.next()?, first.next()?, first.next()?);
    if first.next().is_some() || !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return None;
    }
    let headers = lines
        .filter(|l| !l.is_empty())
        .map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())));
    Some(WireRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.collect::<Option<_>>()?,
        body: Vec::new(),
    })
}

/// The status line and the headers of a reply.
pub(super) fn head(reply: &Reply, close: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    head.push_str(if close { "connection: close\r\n\r\n" } else { "\r\n" });
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}

/// Reads what is there, at least a byte; 0 is the end.
pub(super) async fn more(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        let mut chunk = [0; 8 * 1024];
        match stream.try_read(&mut chunk) {
            Ok(n) => {
                buffer.extend(chunk.iter().take(n));
                return Ok(n);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

/// Writes everything.
pub(super) async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whatever_the_case_of_its_names() {
        let request =
            parse(b"POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nX-Api-Key:  k \r\nConnection: Close\r\n\r\n")
                .unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/x?a=b"));
        assert_eq!(request.request().api_key, Some("k"));
        assert!(request.wants_close());
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for head in [
            "",
            "GET\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET x HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nodd\r\n\r\n",
        ] {
            assert_eq!(parse(head.as_bytes()), None, "{head}");
        }
    }
}
