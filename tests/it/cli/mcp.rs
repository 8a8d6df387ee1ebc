//! `archiver mcp` on standard input and output.

#[cfg(feature = "mcp")]
mod with_it {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use rustix::process::Signal;
    use serde_json::{Value, json};

    use crate::binary::{FakeApi, Home, Process, server};
    use crate::support::bench::{Bench, NOW, item, more_page};

    fn archived() -> (FakeApi, Home) {
        let api = FakeApi::serve(server(&[("Ada Example", 3)]));
        let home = Home::of(&api, "v1");
        home.sync();
        (api, home)
    }

    /// The program, and what it says to these messages, one a line.
    fn say(home: &Home, messages: &[Value]) -> (Process, Vec<Value>) {
        say_to(home.archiver(&["mcp"]), messages)
    }

    fn say_to(mut command: Command, messages: &[Value]) -> (Process, Vec<Value>) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = messages.iter().filter_map(|message| {
            let input = child.stdin.as_mut().unwrap();
            writeln!(input, "{message}").unwrap();
            // Only a request is answered.
            message.get("id").map(|_| serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap())
        });
        let said = said.collect();
        (Process::of(child), said)
    }

    fn hello() -> Vec<Value> {
        let client = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        vec![
            json!({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": client}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": {"name": "archive_status"}}),
        ]
    }

    #[test]
    fn it_answers_one_line_a_request_costs_nothing_and_ends_with_its_input() {
        let (api, home) = archived();
        let (charged, files) = (api.charged(), home.files());
        let (mut process, said) = say(&home, &hello());
        assert_eq!(
            (&said[0]["id"], &said[0]["result"]["serverInfo"]["name"]),
            (&json!("a"), &json!("archiver"))
        );
        assert_eq!(
            (&said[1]["id"], &said[1]["result"]["structuredContent"]["messages"]),
            (&json!("b"), &json!(3))
        );
        drop(process.child().stdin.take());
        let ran = process.finish().expect(0);
        assert_eq!((ran.stderr.as_str(), api.charged()), ("", charged), "{ran:?}");
        assert_eq!(home.files(), files);
    }

    #[test]
    fn a_request_with_a_long_id_is_refused_and_the_next_one_answered() {
        let (_api, home) = archived();
        let mut messages = hello();
        messages.insert(2, json!({"jsonrpc": "2.0", "id": "x".repeat(300), "method": "tools/list"}));
        let (process, said) = say(&home, &messages);
        assert_eq!(
            (&said[1]["id"], &said[1]["error"]["code"]),
            (&Value::Null, &json!(-32600)),
            "{}",
            said[1]
        );
        assert_eq!(said[2]["result"]["structuredContent"]["messages"], 3);
        drop(process);
    }

    #[test]
    fn dates_of_questions_are_in_the_time_zone_of_answers() {
        let mut bench = Bench::new(1);
        // 02:00 in the morning of June 8 by UTC, and still June 7 in New York.
        bench.put(0, &more_page(&[item("x", NOW - 8 * 3_600_000, "Ada", "hello")], NOW)).unwrap();
        bench.next_run();
        let home = Home::empty();
        let path = bench.path();
        let mut command = home.archiver(&["mcp", "--archive", path.to_str().unwrap()]);
        command.env("TZ", "America/New_York");
        let call = |name: &str, arguments: Value| {
            let params = json!({"name": name, "arguments": arguments});
            json!({"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": params})
        };
        let mut messages = hello();
        messages.truncate(2);
        messages.extend([
            call("search_messages", json!({"query": "hello on:2025-06-08"})),
            call("search_messages", json!({"query": "hello on:2025-06-07"})),
            call("read_conversation", json!({"conversation": 1, "date": "2025-06-08"})),
        ]);
        let (process, said) = say_to(command, &messages);
        let answers: Vec<&Value> =
            said.iter().skip(1).map(|one| &one["result"]["structuredContent"]).collect();
        assert_eq!(
            (&answers[0]["total"], &answers[1]["total"], &answers[2]["shown"]),
            (&json!(1), &json!(0), &json!(1))
        );
        let hints = answers[1]["untrusted"]["hints"].to_string();
        assert!(hints.contains("between the beginning and 2025-06-08 02:00"), "{hints}");
        drop(process);
    }

    #[test]
    fn a_signal_ends_it_soon() {
        let (_api, home) = archived();
        for messages in [vec![], hello()] {
            let (process, _) = say(&home, &messages);
            let asked = Instant::now();
            process.signal(Signal::TERM);
            let ran = process.finish();
            // Before it has begun to listen, the signal itself ends it.
            assert!(ran.code == Some(0) || messages.is_empty(), "{ran:?}");
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        }
    }

    #[test]
    fn without_an_archive_it_says_so_before_anybody_asks() {
        let home = Home::empty();
        let ran = home.run(&["mcp"]);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
}

#[cfg(not(feature = "mcp"))]
#[test]
fn a_build_without_it_says_which_builds_have_it() {
    let ran = crate::binary::Home::empty().run(&["mcp"]).expect(2);
    assert!(ran.stderr.contains("`--features mcp`"), "{ran:?}");
}
