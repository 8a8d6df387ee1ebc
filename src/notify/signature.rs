//! Signs an event as the Standard Webhooks specification says: over its id, the time and the body, with every secret there is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::config::signing_key;
use crate::core::Ms;
use crate::secret::Secret;

/// The headers of a signed request, sent now.
#[must_use]
pub(super) fn signed_headers(
    id: &str,
    now: Ms,
    body: &str,
    secrets: &[Secret],
) -> [(&'static str, String); 3] {
    let timestamp = now.div_euclid(1_000);
    let signed = format!("{id}.{timestamp}.{body}");
    let sign = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &signing_key(secret)?);
        Some(format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes()))))
    };
    let signatures: Vec<String> = secrets.iter().filter_map(sign).collect();
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example_is_signed_as_it_says() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let headers = signed_headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330_000,
            "{\"test\": 2432232314}",
            std::slice::from_ref(&secret),
        );
        let value =
            |name| headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str());
        assert_eq!(value("webhook-timestamp"), Some("1614265330"));
        assert_eq!(value("webhook-signature"), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn each_secret_signs_so_that_one_can_follow_another() {
        let secrets = [0_u8, 1].map(|n| Secret::new(&format!("whsec_{}", STANDARD.encode([n; 32]))));
        let of = |secrets: &[Secret]| {
            let [_, _, (_, signatures)] = signed_headers("a", 0, "b", secrets);
            signatures
        };
        let (both, [old, new]) = (of(&secrets), secrets.each_ref().map(|one| of(std::slice::from_ref(one))));
        assert_eq!(both, format!("{old} {new}"));
    }
}
