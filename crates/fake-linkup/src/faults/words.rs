//! The words that faults are written as.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::{Fault, Form, RetryAfter};

/// Those that need no figure.
pub(super) const WORDS: [(Fault, &str); 36] = [
    (Fault::ExpiredToken, "expired-token"),
    (Fault::ExhaustedCredits, "exhausted-credits"),
    (Fault::ChannelError, "channel-error"),
    (Fault::ChargedFailure, "charged-failure"),
    (Fault::CloseBefore, "close-before"),
    (Fault::CloseAfter, "close-after"),
    (Fault::Hang, "hang"),
    (Fault::CutConnection, "cut-connection"),
    (Fault::Drip, "drip"),
    (Fault::CutJson, "cut-json"),
    (Fault::Html, "html"),
    (Fault::GzipBomb, "gzip-bomb"),
    (Fault::Flood, "flood"),
    (Fault::Oversized, "oversized"),
    (Fault::DataArray, "data-array"),
    (Fault::DataNull, "data-null"),
    (Fault::NoMessages, "no-messages"),
    (Fault::OddItem, "odd-item"),
    (Fault::NotJson, "not-json"),
    (Fault::TimesAhead, "times-ahead"),
    (Fault::Respelled, "respelled"),
    (Fault::SaidFree, "said-free"),
    (Fault::SaidDear, "said-dear"),
    (Fault::RepeatPage, "repeat-page"),
    (Fault::RepeatCursor, "repeat-cursor"),
    (Fault::CursorUp, "cursor-up"),
    (Fault::NeverEnds, "never-ends"),
    (Fault::MoreWithoutCursor, "more-without-cursor"),
    (Fault::ShortPage, "short-page"),
    (Fault::DuplicateRows, "duplicate-rows"),
    (Fault::EarlyEnd, "early-end"),
    (Fault::EmptyMore, "empty-more"),
    (Fault::EmptyEnd, "empty-end"),
    (Fault::HoleInPage, "hole-in-page"),
    (Fault::Reversed, "reversed"),
    (Fault::OtherConversation, "other-conversation"),
];

/// Where a redirect leads when nothing else is said: nowhere.
pub(super) const ELSEWHERE: &str = "https://elsewhere.invalid/";

impl Fault {
    pub(crate) fn word(&self) -> Cow<'static, str> {
        WORDS
            .iter()
            .find(|(fault, _)| fault == self)
            .map_or_else(|| Cow::Owned(self.to_string()), |(_, word)| Cow::Borrowed(*word))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status, None) => write!(f, "http-{status}"),
            Self::Http(status, Some(RetryAfter::Seconds(s))) => write!(f, "http-{status}-after-{s}"),
            Self::Http(status, Some(RetryAfter::DateIn(s))) => write!(f, "http-{status}-date-{s}"),
            Self::Redirect(to) => write!(f, "redirect:{to}"),
            Self::Gateway(status) => write!(f, "gateway-{status}"),
            Self::Block(status, Form::Html) => write!(f, "block-{status}-html"),
            Self::Block(status, Form::Text) => write!(f, "block-{status}-text"),
            Self::Block(status, Form::Empty) => write!(f, "block-{status}-empty"),
            other => f.write_str(WORDS.iter().find(|(fault, _)| fault == other).map_or("", |(_, w)| *w)),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let unknown = || format!("unknown fault `{word}`");
        if let Some((fault, _)) = WORDS.iter().find(|(_, w)| *w == word) {
            return Ok(fault.clone());
        }
        if word == "redirect" {
            return Ok(Self::Redirect(ELSEWHERE.to_owned()));
        }
        if let Some(to) = word.strip_prefix("redirect:") {
            return Ok(Self::Redirect(to.to_owned()));
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| unknown());
        let status = |text: &str| text.parse().ok().filter(|s| (100..600).contains(s)).ok_or_else(unknown);
        if let Some(code) = word.strip_prefix("gateway-") {
            return Ok(Self::Gateway(status(code)?));
        }
        if let Some((code, form)) = word.strip_prefix("block-").and_then(|rest| rest.split_once('-')) {
            let form = match form {
                "html" => Form::Html,
                "text" => Form::Text,
                "empty" => Form::Empty,
                _ => return Err(unknown()),
            };
            return Ok(Self::Block(status(code)?, form));
        }
        let parts: Vec<&str> = word.strip_prefix("http-").ok_or_else(unknown)?.split('-').collect();
        let (code, wait) = match parts.as_slice() {
            [code] => (*code, None),
            [code, "after", s] => (*code, Some(RetryAfter::Seconds(number(s)?))),
            [code, "date", s] => (*code, Some(RetryAfter::DateIn(number(s)?))),
            _ => return Err(unknown()),
        };
        Ok(Self::Http(status(code)?, wait))
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

impl TryFrom<String> for Fault {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}
