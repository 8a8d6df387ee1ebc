//! The JSON, held against its description and against `--json`.

use std::collections::BTreeSet;

use archiver::web::Site;
use serde_json::{Value, json};

use super::Web;
use crate::binary::{FakeApi, Home, server};
use crate::support::export::odd_archive;

fn description() -> Value {
    serde_json::from_str(Site::openapi()).unwrap()
}

/// What is wrong with a value, according to a schema of the description.
pub(super) fn wrong(all: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(choices) = schema["anyOf"].as_array() {
        let tried: Vec<_> = choices.iter().map(|choice| wrong(all, choice, value, at)).collect();
        return if tried.iter().any(Vec::is_empty) { Vec::new() } else { tried.concat() };
    }
    if let Some(name) = schema["$ref"].as_str() {
        return wrong(all, all.pointer(name.trim_start_matches('#')).unwrap(), value, at);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().map(|t| t.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&is) {
        return vec![format!("{at}: {is} instead of {types:?}")];
    }
    let mut found = Vec::new();
    if let (Some(choices), true) = (schema["enum"].as_array(), is != "null")
        && !choices.contains(value)
    {
        found.push(format!("{at}: {value} is none of {choices:?}"));
    }
    if schema["format"] == "date-time" && !value.is_null() {
        let text = value.as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(text).is_ok(), "{at}: {text}");
    }
    if let Some(items) = value.as_array() {
        found.extend(
            items
                .iter()
                .enumerate()
                .flat_map(|(n, item)| wrong(all, &schema["items"], item, &format!("{at}[{n}]"))),
        );
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                found.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, value) in object {
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Bool(false)) => found.push(format!("{at}: {name} is not described")),
                (Value::Null, Value::Null | Value::Bool(true)) => {}
                (Value::Null, any) => found.extend(wrong(all, any, value, &format!("{at}.{name}"))),
                (known, _) => found.extend(wrong(all, known, value, &format!("{at}.{name}"))),
            }
        }
    }
    found
}

#[test]
fn every_answer_is_as_described_and_every_route_is_described() {
    let (bench, all) = (odd_archive(), description());
    let web = Web::of(bench.dir.path());
    let paths: BTreeSet<String> =
        all["paths"].as_object().unwrap().keys().map(|path| path.replace("{id}", "{}")).collect();
    let routes: BTreeSet<String> = Site::routes()
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .filter(|path| path.starts_with("/api/"))
        .collect();
    assert_eq!(paths, routes);
    let urn: String = bench.one("SELECT coalesce(urn, thread) FROM conversation WHERE id = 2");
    let urn: String = url::form_urlencoded::byte_serialize(urn.as_bytes()).collect();
    for (path, url) in [
        ("/api/v1/status", "/api/v1/status".to_owned()),
        ("/api/v1/conversations", "/api/v1/conversations".to_owned()),
        ("/api/v1/conversations", "/api/v1/conversations?limit=2".to_owned()),
        ("/api/v1/conversations/{id}", "/api/v1/conversations/1".to_owned()),
        ("/api/v1/conversations/{id}", format!("/api/v1/conversations/{urn}")),
        ("/api/v1/conversations/{id}/messages", "/api/v1/conversations/1/messages".to_owned()),
        ("/api/v1/conversations/{id}/messages", "/api/v1/conversations/2/messages?limit=2".to_owned()),
        ("/api/v1/conversations/{id}/messages", "/api/v1/conversations/4/messages".to_owned()),
        ("/api/v1/search", "/api/v1/search?q=a*".to_owned()),
        ("/api/v1/search", "/api/v1/search?q=is:gone&limit=1".to_owned()),
        ("/api/v1/people", "/api/v1/people".to_owned()),
        ("/api/v1/openapi.json", "/api/v1/openapi.json".to_owned()),
    ] {
        let said = web.page(&url);
        assert_eq!(said.header("content-type"), "application/json", "{url}");
        let schema = &all["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let found = wrong(&all, schema, &said.json(), &url);
        assert!(found.is_empty(), "{found:#?}");
    }
    for (url, status) in
        [("/api/v1/conversations/999", 404), ("/api/v1/search", 400), ("/api/v1/people?limit=x", 400)]
    {
        let said = web.get(url);
        assert_eq!(said.status.as_u16(), status);
        assert_eq!(
            wrong(&all, &all["components"]["schemas"]["Error"], &said.json(), url),
            Vec::<String>::new()
        );
    }
    let said = web.ask("GET", "/api/v1/status", &[], "");
    assert_eq!((said.status.as_u16(), said.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(
        wrong(&all, &all["components"]["schemas"]["Error"], &said.json(), "401"),
        Vec::<String>::new()
    );
}

#[test]
fn objects_are_those_of_json_on_the_command_line() {
    let api = FakeApi::serve(server(&[("Ada Example", 14), ("Béla Sample", 5)]));
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once"]).expect(0);
    let config = std::fs::read_to_string(home.path("archiver.toml")).unwrap();
    let web = Web::configured(home.dir(), &config);
    let printed = home.run(&["status", "--json"]).expect(0).json();
    let served = web.page("/api/v1/status").json();
    let same = |value: &Value| {
        let mut value = value.clone();
        value["horizon_age_secs"] = json!(0);
        value
    };
    assert_eq!(same(&served), same(&printed));
    let conversations = web.page("/api/v1/conversations").json();
    for (one, other) in
        conversations["items"].as_array().unwrap().iter().zip(printed["conversations"].as_array().unwrap())
    {
        let mut one = one.clone();
        assert!(one.as_object_mut().unwrap().remove("id").unwrap().is_i64());
        assert_eq!(&one, other);
    }
    let lines = |args: &[&str]| -> Vec<Value> {
        let printed = home.run(args).expect(0).stdout;
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let served = web.page("/api/v1/conversations/1/messages").json();
    assert_eq!(served["items"], Value::Array(lines(&["show", "ada", "--json"])));
    let word = served["items"][0]["text"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let served = web.page(&format!("/api/v1/search?q={word}")).json();
    assert_eq!(served["items"], Value::Array(lines(&["search", &word, "--json", "--limit", "50"])));
    let served = web.page("/api/v1/people").json();
    assert_eq!(served["items"], home.run(&["people", "--json"]).expect(0).json()["people"]);
    let taken: Value = serde_json::from_str(&web.page("/c/1/take/json").text).unwrap();
    assert_eq!(taken, Value::Array(lines(&["show", "ada", "--json"])));
}

#[test]
fn people_who_were_erased_are_not_listed_any_more() {
    let api = FakeApi::serve(server(&[("Ada Example", 3), ("Ben Sample", 4)]));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    let web = Web::of(home.dir());
    assert!(web.page("/api/v1/people").text.contains("Ben Sample"));
    home.run(&["erase", "--person", "Ben Sample", "--yes"]).expect(0);
    assert!(!web.page("/api/v1/people").text.contains("Ben Sample"));
}
