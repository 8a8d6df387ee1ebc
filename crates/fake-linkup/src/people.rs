//! Made-up people of many languages and scripts. Family names mean "example" or "sample", or are what the
//! language uses where English says John Doe, so that nobody takes them for real ones.

use url::form_urlencoded::byte_serialize;

use super::dialogues::{self, Language};
use super::model::{Conversation, Person};
use super::urn;

/// A name in its own script and in the letters of an address.
type Name = (&'static str, &'static str);

/// People of one language.
pub(super) struct Culture {
    first: &'static [Name],
    last: &'static [Name],
    /// Whether the family name comes first, and what stands between the two.
    family_first: bool,
    between: &'static str,
    /// The lines below their names.
    roles: &'static [&'static str],
    /// What they write.
    pub(super) language: &'static Language,
}

const fn western(
    first: &'static [Name],
    last: &'static [Name],
    roles: &'static [&'static str],
    language: &'static Language,
) -> Culture {
    Culture { first, last, family_first: false, between: " ", roles, language }
}

const fn eastern(
    first: &'static [Name],
    last: &'static [Name],
    between: &'static str,
    roles: &'static [&'static str],
    language: &'static Language,
) -> Culture {
    Culture { first, last, family_first: true, between, roles, language }
}

/// Those with conversations of any length.
pub(super) static COMMON: [Culture; 8] = [
    western(
        &[
            ("Ada", "ada"),
            ("Ben", "ben"),
            ("Grace", "grace"),
            ("Owen", "owen"),
            ("Ruth", "ruth"),
            ("Theo", "theo"),
        ],
        &[
            ("Example", "example"),
            ("Sample", "sample"),
            ("Placeholder", "placeholder"),
            ("Specimen", "specimen"),
        ],
        &["Engineer at Example Ltd", "Records manager, Sample & Sons", "Consultant, Placeholder Partners"],
        &dialogues::ENGLISH,
    ),
    western(
        &[("Jürgen", "juergen"), ("Käthe", "kaethe"), ("Zoë", "zoe"), ("Malte", "malte")],
        &[("Beispiel", "beispiel"), ("Mustermann", "mustermann"), ("Größe-Muster", "groesse-muster")],
        &["Geschäftsführung, Beispiel GmbH", "Vertrieb, Muster AG"],
        &dialogues::GERMAN,
    ),
    western(
        &[("Élodie", "elodie"), ("François", "francois"), ("Noël", "noel"), ("Maëlle", "maelle")],
        &[("Exemple", "exemple"), ("d'Échantillon", "d-echantillon"), ("Modèle", "modele")],
        &["Gestion de projet chez Exemple & Cie", "Conseil, Modèle SARL"],
        &dialogues::FRENCH,
    ),
    western(
        &[("José", "jose"), ("Begoña", "begona"), ("Íñigo", "inigo"), ("Lucía", "lucia")],
        &[("Ejemplo Muestra", "ejemplo-muestra"), ("de la Prueba", "de-la-prueba")],
        &["Diseño · Ejemplo S.A.", "Compras en Muestra S.L."],
        &dialogues::SPANISH,
    ),
    western(
        &[("Nicolò", "nicolo"), ("Chiara", "chiara"), ("Zeno", "zeno"), ("Fiamma", "fiamma")],
        &[("Esempio", "esempio"), ("Campione", "campione"), ("Della Prova", "della-prova")],
        &["Archivi digitali, Esempio S.r.l.", "Acquisti, Campione S.p.A."],
        &dialogues::ITALIAN,
    ),
    western(
        &[("Daniël", "daniel"), ("Fenna", "fenna"), ("Joost", "joost"), ("Zoë", "zoe")],
        &[("Voorbeeld", "voorbeeld"), ("van der Proef", "van-der-proef"), ("Monster", "monster")],
        &["Archief bij Voorbeeld B.V.", "Inkoop, Proef & Zoon"],
        &dialogues::DUTCH,
    ),
    western(
        &[("Łucja", "lucja"), ("Święty", "swiety"), ("Żaneta", "zaneta"), ("Michał", "michal")],
        &[("Przykład", "przyklad"), ("Próbka", "probka")],
        &["Sprzedaż, Przykład sp. z o.o.", "Archiwum, Próbka S.A."],
        &dialogues::POLISH,
    ),
    western(
        &[("João", "joao"), ("Inês", "ines"), ("Conceição", "conceicao"), ("Luís", "luis")],
        &[("Exemplo", "exemplo"), ("da Amostra", "da-amostra")],
        &["Projetos na Exemplo Ltda.", "Compras, Amostra S.A."],
        &dialogues::PORTUGUESE,
    ),
];

/// Those with letters, directions or habits of their own, whose conversations are shorter.
pub(super) static SPECIAL: [Culture; 12] = [
    western(
        &[("Quentin", "quentin"), ("Tess", "tess"), ("Ivo", "ivo"), ("Fay", "fay")],
        &[("Testcase", "testcase"), ("Fixture", "fixture")],
        &["Test engineer, Escape & Quote Ltd"],
        &dialogues::TEST_DATA,
    ),
    western(
        &[("فلان", "fulan"), ("نموذجة", "namudhaja"), ("سمير", "samir"), ("ليلى", "layla")],
        &[("الفلاني", "al-fulani"), ("مثال", "mithal")],
        &["الهندسة في شركة مثال"],
        &dialogues::ARABIC,
    ),
    eastern(
        &[("三", "san"), ("四", "si"), ("小样", "xiaoyang"), ("五", "wu")],
        &[("张", "zhang"), ("示例", "shili")],
        "",
        &["产品经理 · 示例公司"],
        &dialogues::CHINESE,
    ),
    western(
        &[("Pip", "pip"), ("Smilla", "smilla"), ("Kit", "kit"), ("Lou", "lou")],
        &[("Pictogram", "pictogram"), ("Icon-Sample", "icon-sample")],
        &["🎨 Designer 🎨"],
        &dialogues::EMOJI,
    ),
    western(
        &[("דנה", "dana"), ("ישראל", "yisrael"), ("נועה", "noa"), ("אורי", "uri")],
        &[("דוגמה", "dugma"), ("ישראלי", "yisraeli")],
        &["הנדסה, דוגמה בע״מ"],
        &dialogues::HEBREW,
    ),
    eastern(
        &[("太郎", "taro"), ("花子", "hanako"), ("次郎", "jiro"), ("桜", "sakura")],
        &[("見本", "mihon"), ("例示", "reiji")],
        " ",
        &["エンジニア／株式会社サンプル"],
        &dialogues::JAPANESE,
    ),
    western(
        &[("Béla", "bela"), ("Ödön", "oedoen"), ("Tünde", "tuende"), ("Győző", "gyozo")],
        &[("Minta", "minta"), ("Példa", "pelda")],
        &["Fejlesztés, Példa Kft."],
        &dialogues::HUNGARIAN,
    ),
    western(
        &[("Çağla", "cagla"), ("İlker", "ilker"), ("Işıl", "isil"), ("Gökçe", "goekce")],
        &[("Örnek", "ornek"), ("Numune", "numune")],
        &["Ürün yönetimi, Örnek A.Ş."],
        &dialogues::TURKISH,
    ),
    western(
        &[("Ольга", "olga"), ("Фёдор", "fyodor"), ("Инна", "inna"), ("Семён", "semyon")],
        &[("Пример", "primer"), ("Образец", "obrazets")],
        &["Инженер, ООО «Пример»"],
        &dialogues::RUSSIAN,
    ),
    western(
        &[("Ελένη", "eleni"), ("Νίκος", "nikos"), ("Ζωή", "zoi"), ("Άρης", "aris")],
        &[("Παράδειγμα", "paradeigma"), ("Δείγμα", "deigma")],
        &["Σύμβουλος, Παράδειγμα ΑΕ"],
        &dialogues::GREEK,
    ),
    eastern(
        &[("길동", "gildong"), ("예시", "yesi"), ("보기", "bogi"), ("하나", "hana")],
        &[("홍", "hong"), ("견본", "gyeonbon")],
        "",
        &["개발자, 예시 주식회사"],
        &dialogues::KOREAN,
    ),
    western(
        &[("สมชาย", "somchai"), ("สมหญิง", "somying"), ("มานี", "manee"), ("ปิติ", "piti")],
        &[("ตัวอย่าง", "tuayang"), ("นามสมมุติ", "namsommut")],
        &["วิศวกร บริษัท ตัวอย่าง จำกัด"],
        &dialogues::THAI,
    ),
];

/// Whose turn it is: two common languages, then a special one, so that a small mailbox has both kinds.
pub(super) fn of_turn(number: usize) -> &'static Culture {
    let special = number / 3;
    let [first, ..] = &COMMON;
    if number % 3 == 2 {
        SPECIAL.get(special % SPECIAL.len()).unwrap_or(first)
    } else {
        COMMON.get((number - special) % COMMON.len()).unwrap_or(first)
    }
}

/// The culture of a conversation, which the headline of anybody in it tells; English where there is none.
pub(super) fn culture_of(conversation: &Conversation) -> &'static Culture {
    let [english, ..] = &COMMON;
    let of =
        |person: &Person| COMMON.iter().chain(&SPECIAL).find(|c| c.roles.contains(&person.headline.as_str()));
    conversation.others.iter().find_map(of).unwrap_or(english)
}

/// What others call somebody: a member who left had a name once.
pub(super) fn called<'a>(person: &'a Person, conversation: &Conversation) -> &'a str {
    if person.profile_url.is_some() || person.first_name != GONE.0 {
        return &person.first_name;
    }
    let mut rng = fastrand::Rng::with_seed(urn::hash(&person.id));
    rng.choice(culture_of(conversation).first).map_or(GONE.0, |(name, _)| *name)
}

/// What LinkedIn puts in the place of a name.
const GONE: (&str, &str) = ("LinkedIn", "Member");

/// Somebody of this culture. `number` keeps people of the same name apart.
pub(super) fn invent(rng: &mut fastrand::Rng, culture: &Culture, number: u64) -> Person {
    let nobody = ("Nobody", "nobody");
    let (first, first_slug) = rng.choice(culture.first).copied().unwrap_or(nobody);
    let (last, last_slug) = rng.choice(culture.last).copied().unwrap_or(nobody);
    let between = culture.between;
    let name = if culture.family_first {
        format!("{last}{between}{first}")
    } else {
        format!("{first}{between}{last}")
    };
    let id = urn::profile_id(urn::mix(number) ^ urn::hash(&name));
    let tail = urn::mix(urn::hash(&id)) & 0xffff_ffff;
    // Some addresses hold the name in its own script, percent-encoded.
    let slug = if rng.u8(..8) == 0 {
        let native: String = byte_serialize(name.replace([' ', '\''], "-").as_bytes()).collect();
        format!("{native}-{tail:08x}")
    } else {
        format!("{first_slug}-{last_slug}-{tail:08x}")
    };
    let picture = (rng.u8(..10) > 0).then(|| format!("https://media.example.org/{tail:08x}.jpg"));
    Person {
        id,
        name,
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        headline: rng.choice(culture.roles).map_or_else(String::new, |role| (*role).to_owned()),
        profile_url: Some(format!("https://www.linkedin.com/in/{slug}/")),
        picture,
    }
}

/// A member whose account is gone: no name, no page.
pub(super) fn gone(number: u64) -> Person {
    Person {
        id: urn::profile_id(urn::mix(number)),
        name: format!("{} {}", GONE.0, GONE.1),
        first_name: GONE.0.to_owned(),
        last_name: GONE.1.to_owned(),
        ..Person::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_page_that_leads_to_nobody_else() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut keys = std::collections::BTreeSet::new();
        for number in 0..300 {
            for culture in COMMON.iter().chain(&SPECIAL) {
                let person = invent(&mut rng, culture, number);
                let key = urn::profile_key(person.profile_url.as_deref().unwrap());
                assert!(keys.insert(key.unwrap()), "{person:?}");
            }
        }
    }

    #[test]
    fn names_stand_in_the_order_of_their_language() {
        let mut rng = fastrand::Rng::with_seed(1);
        for culture in COMMON.iter().chain(&SPECIAL) {
            let person = invent(&mut rng, culture, 1);
            let (start, end) = if culture.family_first {
                (&person.last_name, &person.first_name)
            } else {
                (&person.first_name, &person.last_name)
            };
            assert!(person.name.starts_with(start.as_str()) && person.name.ends_with(end.as_str()));
        }
    }
}
