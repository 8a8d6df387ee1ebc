//! What the answers to a login mean, and what goes out.

use serde_json::{Value, json};

use super::*;
use crate::api::FailureKind;
use crate::api::outcome::{Reading, Seen, judge};
use crate::api::testing::reply;
use crate::core::budget::Charge;

const TOKEN: &str = "AQEDARxyz0123456789abcdef";

fn read(version: ApiVersion, body: impl Into<Vec<u8>>) -> Reading<Session> {
    let scrubber = Scrubber::default();
    judge(version, &reply(200, body), &scrubber, |body| {
        Ok((super::read(body, version, &scrubber)?, Seen::NoList))
    })
}

fn v1(body: &str) -> Reading<Session> {
    read(ApiVersion::V1, body)
}

fn v2(data: &Value) -> Reading<Session> {
    read(ApiVersion::V2, json!({"success": true, "data": data}).to_string())
}

#[test]
fn only_a_token_is_a_token() {
    for body in [
        format!(r#"{{"status":"success","login_token":"{TOKEN}","message":"LoginRequest successful"}}"#),
        format!(r#"{{"login_token":" {TOKEN}\n"}}"#),
        format!(r#"{{"status":"success","data":{{"login_token":"{TOKEN}"}}}}"#),
    ] {
        match v1(&body).outcome {
            Ok(Session::Token(token)) => assert_eq!(token.expose(), TOKEN),
            other => panic!("{body}: {other:?}"),
        }
    }
    let sent = v1(r#"{"status":"success","message":"Check your email","email":"a@b.c"}"#).outcome;
    assert!(matches!(sent, Ok(Session::CodeSent { said }) if said == "Check your email"));
    assert!(matches!(v1(r#"{"status":"success"}"#).outcome, Ok(Session::CodeSent { .. })));
    let empty = v1(r#"{"status":"success","login_token":null}"#).outcome;
    assert!(matches!(empty, Ok(Session::CodeSent { .. })));
}

#[test]
fn what_is_neither_a_token_nor_a_code_is_an_error_and_v1_is_paid_for_it() {
    for (body, refused) in [
        (r#"{"status":"error","message":"Invalid email or password"}"#, true),
        (r#"{"error":"Invalid email or password"}"#, true),
        (r#"{"message":"hm"}"#, true),
        ("{}", false),
        ("<html>", false),
        (r#"{"status":"success","login_token":"two words"}"#, false),
    ] {
        let reading = v1(body);
        let error = reading.outcome.unwrap_err();
        assert_eq!(error.kind == FailureKind::Refused, refused, "{body}: {error}");
        assert_ne!(reading.charge, Charge::Known(0), "{body}");
    }
    let sent = Object::parse(r#"{"status":"success"}"#).unwrap();
    assert!(read_passed(&sent, ApiVersion::V1, &Scrubber::default()).is_err());
}

#[test]
fn v2_connects_or_challenges() {
    let connected = v2(&json!({"account_id": "69c1", "status": "connected"}));
    assert!(matches!(connected.outcome, Ok(Session::Connected(id)) if id == "69c1"));
    for (challenge, expected) in [
        (json!("code_challenge"), Means::Code),
        (json!("app_challenge"), Means::App),
        (Value::Null, Means::Code),
    ] {
        let data =
            json!({"account_id": "69c1", "status": "checkpoint_required", "challenge_type": challenge});
        match v2(&data).outcome {
            Ok(Session::Challenged { account_id, means }) => {
                assert_eq!((account_id.as_str(), means), ("69c1", expected));
            }
            other => panic!("{data}: {other:?}"),
        }
    }
    for data in
        [json!({"status": "connected"}), json!({"account_id": "69c1", "status": "perhaps"}), json!([])]
    {
        assert!(matches!(v2(&data).outcome, Err(e) if e.kind == FailureKind::Malformed), "{data}");
    }
}

#[test]
fn v2_is_told_either_a_token_or_a_password_and_never_an_empty_field() {
    let (password, token, code) = (Secret::exact(" p w "), Secret::new(TOKEN), Secret::new("123456"));
    let login = |credentials| LoginRequest { credentials, country: "FR", name: "me", challenge: Means::App };
    let body = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let by_password = login(Credentials::Password { email: "a@b.c", password: &password });
    assert_eq!(
        body(by_password.body(ApiVersion::V2)),
        json!({"platform": "linkedin", "email": "a@b.c", "password": " p w ", "country": "FR", "account_name": "me",
               "challenge_type": "app_challenge"})
    );
    assert_eq!(
        body(by_password.body(ApiVersion::V1)),
        json!({"email": "a@b.c", "password": " p w ", "country": "FR"})
    );
    assert_eq!(
        body(login(Credentials::Token(&token)).body(ApiVersion::V2)),
        json!({"platform": "linkedin", "login_token": TOKEN, "country": "FR", "account_name": "me"})
    );
    let app = Challenge::V2 { account_id: "69c1", code: None };
    assert_eq!(body(app.body()), json!({"account_id": "69c1"}));
    let coded = Challenge::V1 { email: "a@b.c", country: "FR", code: &code };
    assert_eq!(body(coded.body()), json!({"email": "a@b.c", "code": "123456", "country": "FR"}));
}
