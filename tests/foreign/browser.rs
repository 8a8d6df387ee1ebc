//! Chromium, driven over a pipe by the DevTools protocol.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program;

/// How long something on a page may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    last: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that reaches nothing but this machine.
    pub(crate) fn start() -> Self {
        drop(program("chromium"));
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // It speaks on the descriptors 3 and 4.
        command
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", "chromium"])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--hide-scrollbars",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, to, from, session: String::new(), last: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and waits for its result.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.attempt(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same, where it may fail.
    fn attempt(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(b"\0").unwrap();
        self.to.flush().unwrap();
        loop {
            let said = self.read();
            if said["id"] == self.last {
                let error = said["error"].clone();
                return if error.is_null() { Ok(said["result"].clone()) } else { Err(error) };
            }
            self.events.push(said);
        }
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        bytes.pop();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn open(&mut self, address: &str) {
        let loads = |events: &[Value]| events.iter().filter(|e| e["method"] == "Page.loadEventFired").count();
        let before = loads(&self.events);
        self.call("Page.navigate", json!({"url": address}));
        while loads(&self.events) == before {
            let event = self.read();
            self.events.push(event);
        }
    }

    /// What an expression is on the page.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let done = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(done["exceptionDetails"].is_null(), "{expression}: {}", done["exceptionDetails"]);
        done["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page, whichever page that is by then.
    #[track_caller]
    pub(crate) fn wait(&mut self, expression: &str) {
        let begun = Instant::now();
        loop {
            let params = json!({"expression": format!("document.readyState === 'complete' && Boolean({expression})"), "returnByValue": true});
            // While a page gives way to the next one, there is none to ask.
            let done = self.attempt("Runtime.evaluate", params);
            if done.is_ok_and(|done| done["result"]["value"] == true) {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let page = self.value("location.href + '\\n' + document.body.innerText.slice(0, 2000)");
                panic!("never: {expression}: {}", page.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let (code, text) = match *key {
                "Enter" => (13, "\r"),
                "Escape" => (27, ""),
                "Tab" => (9, ""),
                letter => (0, letter),
            };
            let mut event = json!({"type": "keyDown", "key": key, "text": text});
            if code > 0 {
                event["windowsVirtualKeyCode"] = code.into();
            }
            self.call("Input.dispatchKeyEvent", event);
            self.call(
                "Input.dispatchKeyEvent",
                json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}),
            );
        }
    }

    /// Types a text where the focus is.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// A window of this size, in this scheme.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str, media: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": media, "features": features}));
    }

    /// Takes a picture for people to look at.
    pub(crate) fn picture(&mut self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"));
        std::fs::write(path, bytes).unwrap();
    }

    /// What went wrong on the pages so far, and what was asked of anybody else than this server.
    pub(crate) fn complaints(&self, base: &str) -> Vec<String> {
        let complaint = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => Some(params["args"].to_string()),
                // The page that asks for the key is itself an answer with status 401.
                "Log.entryAdded" if params["entry"]["text"].as_str()?.contains("status of 401") => None,
                "Log.entryAdded" => Some(params["entry"].to_string()),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str()?;
                    let own = url.starts_with(base) || url.starts_with("data:") || url == "about:blank";
                    (!own).then(|| format!("asked: {url}"))
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(complaint).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have gone by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
