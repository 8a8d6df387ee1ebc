//! The search index of the pages: words and where they are, cut into small scripts that a page loads as it needs them,
//! for a page that was opened from a disk may not fetch files. `app.js` reads what is written here.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConversationPages, Export, ExportError, Watch};
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::raw::render::quote;
use crate::core::search::tokenize;
use crate::export::destination::Place;
use crate::store::Scope;

/// Messages in one file of those that show what was found.
const PER_FILE: u32 = 128;
/// Characters of a text that are shown at most.
const SHOWN: usize = 400;
/// Characters of a word that count.
const WORD: usize = 40;
/// Words and places of them that wait in memory for one shard, in bytes.
const WAITING: usize = 16 * 1024;
/// Messages for which there is one shard of words more.
const PER_SHARD: u64 = 2_000;
const MOST_SHARDS: u64 = 512;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The words met so far, by shard: what does not fit into memory is in one file for each.
struct Words(Vec<Vec<u8>>);

pub(super) struct SearchIndex;

impl SearchIndex {
    pub(super) fn write(
        export: &Export<'_>,
        scope: &Scope,
        conversations: &[ConversationPages],
        folder: &mut Place,
        messages: u64,
        watch: &mut dyn Watch,
    ) -> Result<(), ExportError> {
        let shards = usize::try_from(messages.div_ceil(PER_SHARD).clamp(1, MOST_SHARDS)).unwrap_or(1);
        let mut words = Words(vec![Vec::new(); shards]);
        let by_id: BTreeMap<ConversationId, (usize, &ConversationPages)> =
            conversations.iter().enumerate().map(|(at, c)| (c.id, (at, c))).collect();
        let (mut doc, mut shown) = (0_u32, Vec::new());
        export.snapshot.messages(scope, |m| {
            watch.go_on()?;
            if doc.is_multiple_of(PER_FILE) {
                docs_file(folder, doc, &mut shown)?;
            }
            let Some((at, conversation)) = by_id.get(&m.conversation_row) else { return Ok(()) };
            let page = page_of(conversation, m.sent_at_ms);
            let text = m.parts().shown(m.fields.text);
            let head: String = text.chars().take(SHOWN).collect();
            shown.extend_from_slice(if shown.is_empty() { b"[" } else { b",[" });
            shown.extend_from_slice(format!("{at},{page},{},{},", m.id, m.sent_at_ms).as_bytes());
            quote(m.fields.name, &mut shown);
            shown.push(b',');
            quote(&head, &mut shown);
            shown.push(b']');
            for word in index_words(&text) {
                words.add(&word, doc, folder)?;
            }
            doc = doc.saturating_add(1);
            Ok::<(), ExportError>(())
        })?;
        docs_file(folder, doc.next_multiple_of(PER_FILE).max(PER_FILE), &mut shown)?;
        for shard in 0..shards {
            watch.go_on()?;
            let file = words.finish(shard, folder)?;
            folder.file(&format!("search/w{shard}.js"), &file)?;
        }
        folder.file("search/all.js", &directory(conversations, shards, doc, export.job.timezone.name()))
    }
}

/// Writes the messages that show what was found, of the file that ends before this one.
fn docs_file(folder: &mut Place, before: u32, shown: &mut Vec<u8>) -> Result<(), ExportError> {
    if shown.is_empty() {
        return Ok(());
    }
    let number = before.div_ceil(PER_FILE).saturating_sub(1);
    let mut file = format!("archive.messages({number},[").into_bytes();
    file.append(shown);
    file.extend_from_slice(b"]);\n");
    folder.file(&format!("search/m{number}.js"), &file)
}

/// The page that a message is on; of two pages with its time, the first. Its link names the message itself.
fn page_of(conversation: &ConversationPages, sent_at_ms: Ms) -> usize {
    conversation.pages.partition_point(|page| page.last_ms < sent_at_ms)
}

fn directory(conversations: &[ConversationPages], shards: usize, docs: u32, zone: &str) -> Vec<u8> {
    let mut out = format!("archive.all({shards},{PER_FILE},{docs},[").into_bytes();
    for (at, conversation) in conversations.iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        out.extend_from_slice(format!("{separator}[{},", conversation.id).as_bytes());
        quote(&conversation.name, &mut out);
        out.push(b']');
    }
    out.extend_from_slice(b"],");
    quote(zone, &mut out);
    out.extend_from_slice(b");\n");
    out
}

impl Words {
    fn add(&mut self, word: &str, doc: u32, folder: &mut Place) -> Result<(), ExportError> {
        let shard = shard_of(word, self.0.len());
        let Some(waiting) = self.0.get_mut(shard) else { return Ok(()) };
        waiting.extend_from_slice(word.as_bytes());
        waiting.push(b'\n');
        waiting.extend_from_slice(&doc.to_le_bytes());
        if waiting.len() >= WAITING { self.spill(shard, folder) } else { Ok(()) }
    }

    fn spill(&mut self, shard: usize, folder: &mut Place) -> Result<(), ExportError> {
        let waiting = self.0.get_mut(shard).map(std::mem::take).unwrap_or_default();
        folder.note(&format!("words-{shard}"), &waiting)
    }

    /// A shard as a script: its words in order, each with the messages that have it as differences.
    fn finish(&mut self, shard: usize, folder: &mut Place) -> Result<Vec<u8>, ExportError> {
        self.spill(shard, folder)?;
        let bytes = folder.noted(&format!("words-{shard}"))?;
        let mut words: BTreeMap<&[u8], (u32, Vec<u8>)> = BTreeMap::new();
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (word, after) = rest.split_at(end);
            let Some((doc, after)) = after.get(1..).and_then(|a| a.split_first_chunk::<4>()) else { break };
            rest = after;
            let doc = u32::from_le_bytes(*doc).saturating_add(1);
            let (last, places) = words.entry(word).or_default();
            number(doc.saturating_sub(*last), places);
            *last = doc;
        }
        let mut out = format!("archive.words({shard},\"").into_bytes();
        for (word, (_, places)) in words {
            out.extend_from_slice(word);
            out.push(b' ');
            out.extend_from_slice(&places);
            out.extend_from_slice(b"\\n");
        }
        out.extend_from_slice(b"\");\n");
        Ok(out)
    }
}

/// Five bits a digit, lowest first; a digit of 32 or more says that another follows.
fn number(mut n: u32, out: &mut Vec<u8>) {
    loop {
        let more = if n >= 32 { 32 } else { 0 };
        let digit = usize::try_from((n % 32) + more).unwrap_or(0);
        out.push(DIGITS.get(digit).copied().unwrap_or(b'A'));
        n /= 32;
        if more == 0 {
            return;
        }
    }
}

/// The shard of a word: by its first two characters, so that all words with one beginning are together.
fn shard_of(word: &str, shards: usize) -> usize {
    let hash =
        word.chars().take(2).fold(0x811c_9dc5_u32, |hash, c| (hash ^ u32::from(c)).wrapping_mul(0x0100_0193));
    usize::try_from(hash).unwrap_or(0).checked_rem(shards).unwrap_or(0)
}

/// The words of a text, folded as `fold` of `app.js` does; of scripts without spaces, each character and each pair.
fn index_words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for word in tokenize::fold(text).split(|c| !tokenize::is_word(c)).filter(|word| !word.is_empty()) {
        let chars: Vec<char> = word.chars().collect();
        for part in chars.chunk_by(|a, b| is_dense(*a) == is_dense(*b)) {
            if part.first().is_some_and(|c| is_dense(*c)) {
                words.extend(part.iter().map(|c| String::from(*c)));
                words.extend(part.windows(2).map(|pair| pair.iter().collect::<String>()));
            } else {
                words.insert(part.iter().take(WORD).collect());
            }
        }
    }
    words
}

/// Whether a character is of a script that puts no spaces between words.
fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use icu_normalizer::DecomposingNormalizerBorrowed;

    #[test]
    fn words_are_small_and_without_accents_and_dense_scripts_are_pairs() {
        let words = |text| index_words(text).into_iter().collect::<Vec<_>>();
        assert_eq!(words("Zürich, ŻÓŁW e\u{301}t"), ["et", "zolw", "zurich"]);
        assert_eq!(words("東京都x"), ["x", "京", "京都", "東", "東京", "都"]);
        assert_eq!(words("</script>\"\\"), ["script"]);
    }

    #[test]
    fn the_page_simplifies_the_letters_that_the_index_does() {
        let script = include_str!("app.js");
        let (_, after) = script.split_once("of (\"").unwrap();
        let (pairs, _) = after.split_once("\").split").unwrap();
        let pairs = pairs.split(['"', '+', '\n', ' ']).filter(|pair| !pair.is_empty());
        let mut known = BTreeSet::new();
        for pair in pairs {
            let mut letters = pair.chars();
            known.extend(letters.next());
            assert_eq!(tokenize::fold(pair.get(..2).unwrap()), letters.as_str(), "{pair}");
        }
        // What decomposes to nothing simpler and yet is folded to other letters must be one of these.
        for c in ('\u{df}'..='\u{24f}').chain('\u{250}'..='\u{2af}').chain('\u{3b1}'..='\u{3c9}') {
            let is_simplified = c.is_lowercase()
                && tokenize::fold(&c.to_string()) != c.to_string()
                && DecomposingNormalizerBorrowed::new_nfkd().normalize(&c.to_string()) == c.to_string();
            assert!(!is_simplified || known.contains(&c), "{c}");
        }
    }

    #[test]
    fn numbers_are_five_bits_a_digit() {
        let written = |n| {
            let mut out = Vec::new();
            number(n, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            (written(0), written(31), written(32), written(1024)),
            ("A".into(), "f".into(), "gB".into(), "ggB".into())
        );
    }
}
