//! Logging in, with and without a code.

use serde_json::{Value, json};

use crate::tests::Fixture;

fn credentials(f: &Fixture) -> Value {
    let account = &f.server.accounts()[0];
    json!({"email": account.email, "password": account.password, "country": "FR"})
}

#[test]
fn v1_gives_the_token_at_once() {
    let mut f = Fixture::new();
    let reply = f.post("/v1/auth/login", &credentials(&f));
    assert_eq!(
        reply.value(),
        json!({"status": "success", "login_token": f.token(), "message": "Login successful"})
    );
}

#[test]
fn v1_may_ask_for_a_code_first_and_calls_that_a_success_too() {
    let mut f = Fixture::new();
    f.switch(json!({"login": "code"}));
    let (email, code) = (f.server.accounts()[0].email.clone(), f.server.accounts()[0].code.clone());
    let early = f.post("/v1/auth/verify", &json!({"email": email, "code": code})).value();
    assert_eq!(early["status"], "error");
    let asked = f.post("/v1/auth/login", &credentials(&f)).value();
    assert_eq!(
        asked,
        json!({"status": "success", "message": "Check your email for verification code", "email": email})
    );
    let wrong = f.post("/v1/auth/verify", &json!({"email": email, "code": "x"})).value();
    assert_eq!(wrong["message"], "Invalid verification code");
    let done = f.post("/v1/auth/verify", &json!({"email": email, "code": code, "country": "FR"})).value();
    assert_eq!(done["login_token"], json!(f.token()));
}

#[test]
fn a_wrong_password_is_refused() {
    let mut f = Fixture::new();
    let mut wrong = credentials(&f);
    wrong["password"] = json!("guess");
    let value = f.post("/v1/auth/login", &wrong).value();
    assert_eq!((&value["status"], &value["message"]), (&json!("error"), &json!("Invalid email or password")));
    let missing = f.post("/v1/auth/login", &json!({"email": "x"})).value();
    assert_eq!(missing["message"], "password is required");
}

#[test]
fn logging_in_again_after_the_session_ended_gives_another_token_and_the_old_one_stays_dead() {
    let mut f = Fixture::new();
    let old = f.token();
    f.server.account_mut(0).unwrap().active = false;
    f.post("/v1/auth/login", &credentials(&f));
    assert_ne!(f.token(), old);
    assert_eq!(f.v1(json!({})).status, 200);
    assert_eq!(f.v1(json!({"login_token": old})).status, 403);
}

#[test]
fn v2_connects_a_known_token_for_free_and_always_as_the_same_account() {
    let mut f = Fixture::new();
    for _ in 0..2 {
        let body = json!({"platform": "linkedin", "login_token": f.token(), "country": "FR"});
        let value = f.post("/v2/login", &body).value();
        assert_eq!(value["data"], json!({"account_id": f.account_id(), "status": "connected"}));
    }
    assert_eq!(f.charged(), 0);
    let value = f.post("/v2/login", &json!({"platform": "linkedin", "login_token": "other"})).value();
    assert_eq!(value["error"]["code"], "INVALID_PARAMS");
}

#[test]
fn v2_may_require_a_checkpoint_which_costs_a_credit() {
    let mut f = Fixture::new();
    f.switch(json!({"login": "code"}));
    let mut body = credentials(&f);
    body["platform"] = json!("linkedin");
    body["challenge_type"] = json!("app_challenge");
    let asked = f.post("/v2/login", &body).value();
    assert_eq!(
        asked["data"],
        json!({"account_id": f.account_id(), "status": "checkpoint_required", "challenge_type": "app_challenge"})
    );
    let before = f.charged();
    let id = f.account_id();
    let wrong = f.post("/v2/checkpoint", &json!({"account_id": id, "code": "x"}));
    assert_eq!((wrong.status, f.charged()), (400, before));
    let done = f.post("/v2/checkpoint", &json!({"account_id": id})).value();
    assert_eq!(
        (&done["data"]["status"], &done["metadata"]["credits_consumed"]),
        (&json!("connected"), &json!(1))
    );
    assert_eq!(f.charged(), before + 1);
    assert_eq!(f.post("/v2/checkpoint", &json!({"account_id": "none"})).status, 404);
}

#[test]
fn v2_knows_one_platform() {
    let mut f = Fixture::new();
    assert_eq!(f.post("/v2/login", &json!({"platform": "pigeon"})).status, 400);
}
