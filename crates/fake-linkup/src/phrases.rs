//! What invented people write to each other: short texts by language, and oddities that any archive must stand.

pub(super) const ENGLISH: &[&str] = &[
    "Thanks for connecting! How did the launch go?",
    "Sounds good, let's talk on Thursday.",
    "Could you send me the contract again? I can't find it.",
    "Congratulations on the new role!",
    "I'll be at the fair in March. Coffee?",
    "👍",
    "Sorry for the late reply, it's been a busy quarter.",
    "Who would be the right person to ask about the budget?",
];
pub(super) const GERMAN: &[&str] = &[
    "Vielen Dank für die schnelle Rückmeldung!",
    "Passt Ihnen Dienstag um 10 Uhr? Schöne Grüße aus Köln",
    "Die Rechnung über 1.250,00 € ist unterwegs.",
    "Größere Änderungen am Vertrag sind nicht nötig.",
    "Übrigens: das Straßenfest fällt aus 😢",
];
pub(super) const FRENCH: &[&str] = &[
    "Merci beaucoup, à bientôt !",
    "Pourriez-vous m'envoyer le dossier avant l'été ?",
    "C'est noté : réunion jeudi à 9 h, à côté de la gare.",
    "Ça marche, où déjeunons-nous ?",
];
pub(super) const SPANISH: &[&str] = &[
    "¿Qué tal la presentación de mañana?",
    "¡Enhorabuena por el nuevo puesto!",
    "Te llamo el miércoles, ¿vale?",
];
pub(super) const POLISH: &[&str] = &[
    "Dziękuję za wiadomość, odpiszę później.",
    "Zażółć gęślą jaźń 🙂",
    "Czy możemy przełożyć spotkanie na środę?",
];
pub(super) const HUNGARIAN: &[&str] =
    &["Köszönöm szépen, holnap küldöm a szerződést.", "Árvíztűrő tükörfúrógép", "Jövő héten ráérsz?"];
pub(super) const TURKISH: &[&str] =
    &["Teşekkürler, yarın görüşelim.", "Iğdır'daki toplantı iptal oldu.", "Sözleşmeyi gönderir misin?"];
pub(super) const RUSSIAN: &[&str] = &[
    "Спасибо, договор получил!",
    "Когда вам удобно созвониться?",
    "Ещё раз поздравляю с новой должностью 🎉",
    "Пришлите, пожалуйста, смету до пятницы.",
];
pub(super) const GREEK: &[&str] = &["Ευχαριστώ πολύ, θα τα πούμε αύριο.", "Πότε σας βολεύει μια κλήση;"];
pub(super) const CHINESE: &[&str] =
    &["谢谢，合同已经收到。", "下周三下午方便通话吗？", "恭喜升职！🎊", "好的，没问题。"];
pub(super) const JAPANESE: &[&str] = &[
    "お世話になっております。契約書をお送りします。",
    "ありがとうございます！",
    "来週の木曜日はいかがでしょうか？",
];
pub(super) const KOREAN: &[&str] =
    &["감사합니다. 계약서 잘 받았습니다.", "다음 주 수요일에 통화 가능하신가요?", "축하드립니다! 🎉"];
pub(super) const ARABIC: &[&str] =
    &["شكراً جزيلاً، وصل العقد.", "متى يناسبك الاجتماع القادم؟", "مبروك المنصب الجديد (v2.0) 🎉"];
pub(super) const HEBREW: &[&str] = &["תודה רבה, קיבלתי את החוזה.", "מתי נוח לך לדבר? Zoom או טלפון?"];
pub(super) const THAI: &[&str] =
    &["ขอบคุณมากครับ ได้รับสัญญาแล้ว", "สัปดาห์หน้าว่างวันไหนบ้างคะ", "ยินดีด้วยกับตำแหน่งใหม่นะ 🎉"];

/// Texts that break what is not written with care.
pub(super) const ODD: &[&str] = &[
    "😃",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇨🇭",
    "<script>alert('archived')</script>",
    "<b>not bold</b> & <img src=x onerror=alert(1)>",
    "'; DROP TABLE message; --",
    "\"quoted\", with, commas\tand a tab",
    "=HYPERLINK(\"https://example.org\",\"click\")",
    "https://example.org/path?q=a%20b&lang=de#part-2",
    "See https://www.example.com/very/long/path/that/nobody/would/type/by/hand/0123456789?utm_source=test",
    "one line\nanother line\n\n  indented after an empty one",
    "Windows line\r\nends",
    "zero\u{200b}width, no\u{a0}break, soft\u{ad}hyphen",
    "e\u{301} is not é until it is normalised",
    "left \u{202e}thgir\u{202c} left",
    "Z͑ͫ̓͢a̴ḷ͠g̶o̕",
    "100 % sure, 50 / 50, \\ and \\n are two characters",
    "{\"json\": [1, 2.50, null], \"quote\": \"\\\"\"}",
    "**not** _markdown_ `code` [link](https://example.org) | table |",
    " ",
    "ﷺ ffi ligature Ⅷ ½",
];

/// What LinkedIn itself says in a group.
pub(super) const SYSTEM: &[&str] =
    &["", "Ada Example added Béla Minta to the conversation", "The conversation was renamed"];

/// Titles of groups.
pub(super) const TITLES: &[&str] =
    &["Budget 2026", "見本プロジェクト", "Fête de l'équipe 🎉", "Договор <v2>", "Ada, Béla & 3 others"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_something_to_say() {
        let languages = crate::people::CULTURES;
        assert!(languages.iter().all(|c| c.phrases.len() > 1 && c.phrases.iter().all(|p| !p.is_empty())));
        assert!(!ODD.is_empty() && !SYSTEM.is_empty() && !TITLES.is_empty());
    }
}
