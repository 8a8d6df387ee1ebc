//! Logins, accounts and the balance.

use serde_json::{Value, json};

use crate::ask::Fields;
use crate::behaviour::LoginStyle;
use crate::refusal::{Cause, Refusal};
use crate::server::{Account, Answered, Call, Handled, Server};
use crate::wire;

/// A text of the body; an empty one counts as missing.
fn wanted(call: &mut Call<'_>, name: &str) -> Result<String, Refusal> {
    optional(call, name)?.ok_or_else(|| Refusal::new(Cause::Params, format!("{name} is required")))
}

fn optional(call: &mut Call<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let body = std::mem::take(&mut call.body);
    let text = match &body {
        Value::Object(fields) => Fields(fields).text(name, call).map(|t| t.map(str::to_owned)),
        _ => Ok(None),
    };
    call.body = body;
    Ok(text?.filter(|t| !t.is_empty()))
}

fn find<'a>(
    server: &'a mut Server,
    call: &mut Call<'_>,
    is: impl Fn(&Account) -> bool,
) -> Option<&'a mut Account> {
    let index = server.accounts.iter().position(is)?;
    call.row.account = Some(index);
    server.accounts.get_mut(index)
}

fn by_password<'a>(server: &'a mut Server, call: &mut Call<'_>) -> Result<&'a mut Account, Refusal> {
    let (email, password) = (wanted(call, "email")?, wanted(call, "password")?);
    find(server, call, |a| a.email == email && a.password == password)
        .ok_or_else(|| Refusal::new(Cause::Params, "Invalid email or password"))
}

pub(super) fn v1_login(server: &mut Server, call: &mut Call<'_>) -> Handled {
    let style = server.behaviour.login;
    let account = by_password(server, call)?;
    if style == LoginStyle::Code {
        account.awaits_code = true;
        let message = "Check your email for verification code";
        return Ok(Answered::free(wire::v1_flat(json!({"message": message, "email": account.email}))));
    }
    account.log_in();
    Ok(Answered::free(logged_in(account)))
}

pub(super) fn v1_verify(server: &mut Server, call: &mut Call<'_>) -> Handled {
    let (email, code) = (wanted(call, "email")?, wanted(call, "code")?);
    let account = find(server, call, |a| a.awaits_code && a.email == email && a.code == code)
        .ok_or_else(|| Refusal::new(Cause::Params, "Invalid verification code"))?;
    account.log_in();
    Ok(Answered::free(logged_in(account)))
}

fn logged_in(account: &Account) -> Vec<u8> {
    wire::v1_flat(json!({"login_token": account.login_token, "message": "Login successful"}))
}

pub(super) fn v2_login(server: &mut Server, call: &mut Call<'_>) -> Handled {
    if wanted(call, "platform")? != "linkedin" {
        return Err(Refusal::new(Cause::Params, "platform must be linkedin"));
    }
    if let Some(token) = optional(call, "login_token")? {
        let known = find(server, call, |a| a.active && a.login_token == token).map(|a| connected(a));
        let data = known.ok_or_else(|| Refusal::new(Cause::Params, "login_token was refused by LinkedIn"))?;
        return Ok(Answered::free(wire::v2_data(&data, 0, call.about(server), &server.behaviour)));
    }
    pays(server)?;
    let challenge = optional(call, "challenge_type")?.unwrap_or_else(|| "code_challenge".to_owned());
    let style = server.behaviour.login;
    let account = by_password(server, call)?;
    let data = if style == LoginStyle::Code {
        account.awaits_code = true;
        json!({"account_id": account.account_id, "status": "checkpoint_required", "challenge_type": challenge})
    } else {
        account.log_in();
        connected(account)
    };
    Ok(one_credit(server, call, &data))
}

pub(super) fn v2_checkpoint(server: &mut Server, call: &mut Call<'_>) -> Handled {
    pays(server)?;
    let (id, code) = (wanted(call, "account_id")?, optional(call, "code")?);
    let account = find(server, call, |a| a.account_id == id).ok_or_else(|| Refusal::plain(Cause::Account))?;
    // Without a code the challenge was confirmed in LinkedIn's app.
    if !account.awaits_code || code.is_some_and(|c| c != account.code) {
        return Err(Refusal::new(Cause::Params, "Invalid verification code"));
    }
    account.log_in();
    let data = connected(account);
    Ok(one_credit(server, call, &data))
}

fn connected(account: &Account) -> Value {
    json!({"account_id": account.account_id, "status": "connected"})
}

fn pays(server: &Server) -> Result<(), Refusal> {
    if server.meter.pays(1) { Ok(()) } else { Err(Refusal::plain(Cause::Credits)) }
}

fn one_credit(server: &Server, call: &Call<'_>, data: &Value) -> Answered {
    let body = wire::v2_data(data, 1, call.about(server), &server.behaviour);
    Answered { body, returned: 0, credits: 1 }
}

fn described(account: &Account) -> Value {
    json!({
        "account_id": account.account_id,
        "account_name": account.name,
        "platform": "linkedin",
        "status": if account.active { "active" } else { "inactive" },
        "country": account.country,
    })
}

pub(super) fn accounts(server: &Server, call: &Call<'_>) -> Handled {
    let items: Vec<Value> = server.accounts.iter().map(described).collect();
    free(server, call, &json!({"total": items.len(), "items": items}))
}

pub(super) fn account(server: &Server, index: usize, call: &Call<'_>) -> Handled {
    let account = server.accounts.get(index).ok_or_else(|| Refusal::plain(Cause::Account))?;
    free(server, call, &described(account))
}

pub(super) fn credits(server: &Server, call: &Call<'_>) -> Handled {
    free(server, call, &json!({"credits": server.meter.balance}))
}

fn free(server: &Server, call: &Call<'_>, data: &Value) -> Handled {
    Ok(Answered::free(wire::v2_data(data, 0, call.about(server), &server.behaviour)))
}
