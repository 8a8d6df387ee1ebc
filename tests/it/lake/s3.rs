//! A small server that speaks S3 as far as a lake needs it, and fails when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use archiver::lake::objects::{CloudEnv, ObjectAccess, Objects};

use super::signature::what_is_wrong;

pub(super) const KEY_ID: &str = "MARKERKEYID";
pub(super) const SECRET: &str = "MARKERSECRET/with+signs=";
pub(super) const TOKEN: &str = "MARKERTOKEN==";
pub(super) const REGION: &str = "eu-test-1";
pub(super) const BUCKET: &str = "letters";
const DATE: &str = "Sun, 01 Mar 2026 10:20:30 GMT";

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done, and this status is answered.
    Refuse(u16),
    /// All is done, but the connection ends instead of an answer.
    LoseAnswer,
    /// All is done, and a server error is answered.
    LieAboutIt,
    /// All is done, but the answer takes so long.
    Wait(Duration),
    /// The answer ends in the middle of its body.
    CutAnswer,
}

#[derive(Default)]
pub(super) struct Shelf {
    /// By key, without the bucket.
    pub(super) objects: BTreeMap<String, Vec<u8>>,
    /// What becomes of the next requests of a method.
    pub(super) faults: VecDeque<(&'static str, Fault)>,
    /// Method and target of every request.
    pub(super) requests: Vec<String>,
    /// Whether it overwrites what is to be created.
    pub(super) forgets_conditions: bool,
    /// With which it answers to everything, if it does.
    pub(super) error: Option<(u16, String)>,
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) shelf: Arc<Mutex<Shelf>>,
    pub(super) url: String,
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { shelf: Arc::default(), url };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (serving.clone(), stream.unwrap());
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub(super) fn access(&self) -> ObjectAccess {
        let env = [
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_SESSION_TOKEN", TOKEN),
            ("AWS_REGION", REGION),
            ("AWS_ENDPOINT_URL", &self.url),
        ];
        let patience = Duration::from_millis(400);
        ObjectAccess { env: env.into_iter().collect::<CloudEnv>(), patience, ..ObjectAccess::default() }
    }

    pub(super) fn open(&self, prefix: &str) -> Objects {
        Objects::open(format!("s3://{BUCKET}/{prefix}").as_ref(), &self.access()).unwrap()
    }

    pub(super) fn fail(&self, method: &'static str, fault: Fault) {
        self.shelf.lock().unwrap().faults.push_back((method, fault));
    }

    /// How many requests of a method came.
    pub(super) fn count(&self, method: &str) -> usize {
        self.shelf.lock().unwrap().requests.iter().filter(|request| request.starts_with(method)).count()
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut writer = stream;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let (method, target) = line.rsplit_once(' ')?.0.split_once(' ')?;
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let Some((name, value)) = line.trim_end().split_once(':') else { break };
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let (answer, fault) = self.answer(method, target, &headers, body);
            let mut bytes = answer.written(method == "HEAD");
            match fault {
                Some(Fault::Wait(time)) => thread::sleep(time),
                Some(Fault::LoseAnswer) => return None,
                Some(Fault::CutAnswer) => bytes.truncate(bytes.len() - 1),
                _ => {}
            }
            writer.write_all(&bytes).ok()?;
            if fault == Some(Fault::CutAnswer) {
                return None;
            }
        }
    }

    fn answer(
        &self,
        method: &str,
        target: &str,
        headers: &BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> (Answer, Option<Fault>) {
        let mut shelf = self.shelf.lock().unwrap();
        shelf.requests.push(format!("{method} {target}"));
        if let Some((status, body)) = &shelf.error {
            return (Answer::new(*status, body.clone().into_bytes()), None);
        }
        let fault = shelf.faults.front().filter(|(of, _)| *of == method).map(|(_, fault)| *fault);
        if fault.is_some() {
            shelf.faults.pop_front();
        }
        if let Some(code) = what_is_wrong(method, target, headers, &body) {
            return (Answer::error(403, code), None);
        }
        if let Some(Fault::Refuse(status)) = fault {
            return (Answer::error(status, "SlowDown"), fault);
        }
        let done = shelf.act(method, target, headers, body);
        match fault {
            Some(Fault::LieAboutIt) => (Answer::error(500, "InternalError"), fault),
            _ => (done, fault),
        }
    }
}

impl Shelf {
    fn act(
        &mut self,
        method: &str,
        target: &str,
        headers: &BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = decoded(path);
        let path = path.strip_prefix('/').unwrap();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != BUCKET {
            return Answer::error(404, "NoSuchBucket");
        }
        match method {
            "PUT"
                if self.objects.contains_key(key)
                    && headers.get("if-none-match").is_some_and(|h| h == "*")
                    && !self.forgets_conditions =>
            {
                Answer::error(412, "PreconditionFailed")
            }
            "PUT" => {
                self.objects.insert(key.to_owned(), body);
                Answer::new(200, Vec::new())
            }
            "GET" if key.is_empty() => self.list(query),
            "GET" | "HEAD" => match self.objects.get(key) {
                Some(bytes) => Answer::new(200, bytes.clone()),
                None => Answer::error(404, "NoSuchKey"),
            },
            "DELETE" => {
                self.objects.remove(key);
                Answer::new(204, Vec::new())
            }
            _ => Answer::error(405, "MethodNotAllowed"),
        }
    }

    /// At most three keys a page.
    fn list(&self, query: &str) -> Answer {
        let query: BTreeMap<String, String> = query
            .split('&')
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " "))))
            .collect();
        assert_eq!(query["list-type"], "2");
        let prefix = query.get("prefix").map_or("", String::as_str);
        let after = query.get("continuation-token").map_or("", String::as_str);
        let found = self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
        let found: Vec<_> = found.take(4).collect();
        let mut xml = "<?xml version=\"1.0\"?><ListBucketResult>".to_owned();
        for (key, bytes) in found.iter().take(3) {
            let (key, size) = (escaped(key), bytes.len());
            write!(xml, "<Contents><Key>{key}</Key><LastModified>2026-03-01T10:20:30.000Z</LastModified>")
                .unwrap();
            write!(xml, "<ETag>\"1\"</ETag><Size>{size}</Size></Contents>").unwrap();
        }
        write!(xml, "<IsTruncated>{}</IsTruncated>", found.len() > 3).unwrap();
        if found.len() > 3 {
            write!(xml, "<NextContinuationToken>{}</NextContinuationToken>", escaped(found[2].0)).unwrap();
        }
        xml.push_str("</ListBucketResult>");
        Answer::new(200, xml.into_bytes())
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, body }
    }

    /// Repeats secrets, as S3 does where it explains what it signed.
    fn error(status: u16, code: &str) -> Self {
        let body = format!(
            "<Error><Code>{code}</Code><Message>Because.</Message><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId>\
             <StringToSign>{SECRET}</StringToSign><Token-0>{TOKEN}</Token-0></Error>"
        );
        Self::new(status, body.into_bytes())
    }

    fn written(&self, is_head: bool) -> Vec<u8> {
        let (status, length) = (self.status, self.body.len());
        let mut bytes = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nETag: \"1\"\r\nLast-Modified: {DATE}\r\n\r\n"
        )
        .into_bytes();
        if !is_head && status != 204 {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let (hex, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap()
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
