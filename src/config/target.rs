//! The names that people give a conversation by: profile pages, URNs, thread ids, pages of a browser.

use url::Url;

use crate::core::model::urn;

/// Brings a profile's page to one form, `https://www.linkedin.com/in/slug/`, from its URL or a bare slug.
/// What is wrong follows the value in a message.
pub fn profile_url(text: &str) -> Result<String, String> {
    let text = text.trim();
    let slug = match as_linkedin_url(text)? {
        Some(url) => {
            let mut parts = url.path_segments().into_iter().flatten();
            match (parts.next(), parts.next().filter(|slug| !slug.is_empty())) {
                (Some("in"), Some(slug)) => slug.to_owned(),
                _ => return Err("is not a person's page, which is https://www.linkedin.com/in/SLUG/".into()),
            }
        }
        None => text.to_owned(),
    };
    if slug.is_empty() || !slug.chars().all(|c| c.is_alphanumeric() || "-_.%~".contains(c)) {
        return Err("is neither a page https://www.linkedin.com/in/SLUG/ nor a bare slug".into());
    }
    // The parser percent-encodes letters beyond ASCII, as LinkedIn's own links do.
    let url = Url::parse(&format!("https://www.linkedin.com/in/{slug}/"));
    let url = url.map_err(|error| format!("is not a person's page: {error}"))?;
    // `.` and `..` vanish when a URL is parsed; so does whatever else is no slug.
    match url.path_segments().map(Iterator::count) {
        Some(3) => Ok(upper_case_escapes(url.as_str())),
        _ => Err("is neither a page https://www.linkedin.com/in/SLUG/ nor a bare slug".into()),
    }
}

/// The conversation's URN or bare thread id, from either or from the page that a browser shows the thread on.
/// What is wrong follows the value in a message.
pub fn conversation_id(text: &str) -> Result<String, String> {
    const WANTED: &str =
        "is neither a conversation's URN (urn:li:msg_conversation:(…)) nor a thread id (2-…)";
    let text = text.trim();
    if urn::is_conversation_urn(text) && !text.contains(char::is_whitespace) {
        return Ok(text.to_owned());
    }
    let id = match as_linkedin_url(text)? {
        Some(url) => {
            let parts: Vec<&str> = url.path_segments().into_iter().flatten().collect();
            match parts.as_slice() {
                // In a path, base64's own signs may come escaped.
                ["messaging", "thread", id, ..] => {
                    upper_case_escapes(id).replace("%3D", "=").replace("%2B", "+").replace("%2F", "/")
                }
                _ => return Err(WANTED.into()),
            }
        }
        None => text.to_owned(),
    };
    let is_id = |rest: &str| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-_=+/".contains(c))
    };
    if id.strip_prefix("2-").is_some_and(is_id) { Ok(id) } else { Err(WANTED.into()) }
}

/// The text as a URL of linkedin.com, with or without its scheme; `None` when it is no URL at all.
fn as_linkedin_url(text: &str) -> Result<Option<Url>, String> {
    let full = if text.contains("://") {
        text.to_owned()
    } else if text.starts_with("in/") || text.starts_with("/in/") {
        format!("https://www.linkedin.com/{}", text.trim_start_matches('/'))
    } else if text.split('/').next().is_some_and(is_linkedin) && text.contains('/') {
        format!("https://{text}")
    } else {
        return Ok(None);
    };
    let url = Url::parse(&full).map_err(|error| format!("is no URL: {error}"))?;
    match (url.scheme(), url.host_str()) {
        ("https" | "http", Some(host)) if is_linkedin(host) => Ok(Some(url)),
        _ => Err("is not a page of linkedin.com".into()),
    }
}

fn is_linkedin(host: &str) -> bool {
    host == "linkedin.com" || host.ends_with(".linkedin.com")
}

/// `%c3` and `%C3` are the same letter: written one way, the same page is one target.
fn upper_case_escapes(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    let mut in_escape = 0_u8;
    for c in url.chars() {
        out.push(if in_escape > 0 { c.to_ascii_uppercase() } else { c });
        in_escape = if c == '%' { 2 } else { in_escape.saturating_sub(1) };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_one_target_however_it_is_written() {
        for text in [
            "https://www.linkedin.com/in/ada-example/",
            "https://www.linkedin.com/in/ada-example",
            "http://linkedin.com/in/ada-example?trk=x#top",
            "https://fr.linkedin.com/in/ada-example/en/",
            "www.linkedin.com/in/ada-example",
            "linkedin.com/in/ada-example/",
            "/in/ada-example/",
            "in/ada-example",
            " ada-example ",
        ] {
            assert_eq!(
                profile_url(text).as_deref(),
                Ok("https://www.linkedin.com/in/ada-example/"),
                "{text}"
            );
        }
        let bela = "https://www.linkedin.com/in/b%C3%A9la-sample/";
        for text in ["béla-sample", "https://www.linkedin.com/in/b%c3%a9la-sample", bela] {
            assert_eq!(profile_url(text).as_deref(), Ok(bela), "{text}");
        }
        // An id in the place of a slug is case-sensitive.
        assert_eq!(profile_url("ACoAAx").as_deref(), Ok("https://www.linkedin.com/in/ACoAAx/"));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in [
            "",
            "Ada Example",
            "https://www.linkedin.com/company/example/",
            "https://www.linkedin.com/in/",
            "https://example.com/in/ada/",
            "https://linkedin.com.example.com/in/ada/",
            "ftp://www.linkedin.com/in/ada/",
            "..",
            "a/b",
            "a?b",
        ] {
            assert!(profile_url(text).is_err(), "{text}: {:?}", profile_url(text));
        }
    }

    #[test]
    fn a_conversation_is_a_urn_a_thread_id_or_a_browsers_page() {
        let full = "urn:li:msg_conversation:(urn:li:fsd_profile:ACoAA,2-OTFj==)";
        assert_eq!(conversation_id(full).as_deref(), Ok(full));
        for text in ["2-OTFj==", "https://www.linkedin.com/messaging/thread/2-OTFj%3D%3D/?filter=x"] {
            assert_eq!(conversation_id(text).as_deref(), Ok("2-OTFj=="), "{text}");
        }
        for text in
            ["", "2-", "3-OTFj", "2-a b", "Ada", "urn:li:msg_message:(a,2-b)", "urn:li:msg_conversation:("]
        {
            assert!(conversation_id(text).is_err(), "{text}");
        }
    }
}
