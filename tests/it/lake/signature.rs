//! Whether a request is signed as S3 wants it (AWS4-HMAC-SHA256).

use std::collections::BTreeMap;

use ring::{digest, hmac};

use super::s3::{KEY_ID, REGION, SECRET, decoded};

/// What is wrong with the signature of a request, by the names of S3.
pub(super) fn what_is_wrong(
    method: &str,
    target: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Option<&'static str> {
    let Some(given) = headers.get("authorization") else { return Some("AccessDenied") };
    let part = |name: &str| {
        let (_, rest) = given.split_once(&format!("{name}=")).unwrap();
        rest.split(',').next().unwrap().trim().to_owned()
    };
    let time = &headers["x-amz-date"];
    let scope = format!("{}/{REGION}/s3/aws4_request", time.split_once('T').unwrap().0);
    if part("Credential") != format!("{KEY_ID}/{scope}") {
        return Some("InvalidAccessKeyId");
    }
    if headers["x-amz-content-sha256"] != sha256(body) {
        return Some("XAmzContentSHA256Mismatch");
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query: Vec<String> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| format!("{}={}", strictly_encoded(name), strictly_encoded(value)))
        .collect();
    query.sort();
    let names = part("SignedHeaders");
    let signed: String = names.split(';').map(|name| format!("{name}:{}\n", headers[name].trim())).collect();
    let request =
        [method, path, &query.join("&"), &signed, &names, &headers["x-amz-content-sha256"]].join("\n");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    (hex(&mac(&key, &text)) != part("Signature")).then_some("SignatureDoesNotMatch")
}

/// As S3 has it in what is signed, whichever way the query itself is written.
fn strictly_encoded(part: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    decoded(&part.replace('+', " ")).bytes().map(encoded).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
