//! Invented people of many languages and scripts. Family names mean "example" or "sample", or are what the
//! language uses where English says John Doe, so that nobody takes them for real ones.

use url::form_urlencoded::byte_serialize;

use crate::model::Person;
use crate::phrases;
use crate::urn;

/// A name in its own script and in the letters of an address.
type Name = (&'static str, &'static str);

/// People of one language.
pub(super) struct Culture {
    first: &'static [Name],
    last: &'static [Name],
    /// Whether the family name comes first, and what stands between the two.
    family_first: bool,
    between: &'static str,
    /// The line below their names.
    pub(super) role: &'static str,
    /// What they write.
    pub(super) phrases: &'static [&'static str],
}

const fn western(
    first: &'static [Name],
    last: &'static [Name],
    role: &'static str,
    phrases: &'static [&'static str],
) -> Culture {
    Culture { first, last, family_first: false, between: " ", role, phrases }
}

const fn eastern(
    first: &'static [Name],
    last: &'static [Name],
    between: &'static str,
    role: &'static str,
    phrases: &'static [&'static str],
) -> Culture {
    Culture { first, last, family_first: true, between, role, phrases }
}

/// All of them.
pub(super) const CULTURES: [Culture; 15] = [
    western(
        &[("Ada", "ada"), ("Ben", "ben"), ("Grace", "grace"), ("Owen", "owen")],
        &[("Example", "example"), ("Sample", "sample"), ("Placeholder", "placeholder")],
        "Engineer at Example Ltd",
        phrases::ENGLISH,
    ),
    western(
        &[("Jürgen", "juergen"), ("Käthe", "kaethe"), ("Zoë", "zoe")],
        &[("Beispiel", "beispiel"), ("Mustermann", "mustermann"), ("Größe-Muster", "groesse-muster")],
        "Geschäftsführerin, Beispiel GmbH",
        phrases::GERMAN,
    ),
    western(
        &[("Élodie", "elodie"), ("François", "francois"), ("Noël", "noel")],
        &[("Exemple", "exemple"), ("d'Échantillon", "d-echantillon")],
        "Chargée de projet chez Exemple & Cie",
        phrases::FRENCH,
    ),
    western(
        &[("José", "jose"), ("Begoña", "begona")],
        &[("Ejemplo Muestra", "ejemplo-muestra"), ("de la Prueba", "de-la-prueba")],
        "Diseñador · Ejemplo S.A.",
        phrases::SPANISH,
    ),
    western(
        &[("Łucja", "lucja"), ("Święty", "swiety")],
        &[("Przykład", "przyklad"), ("Próbka", "probka")],
        "Kierowniczka, Przykład sp. z o.o.",
        phrases::POLISH,
    ),
    western(
        &[("Béla", "bela"), ("Ödön", "oedoen")],
        &[("Minta", "minta"), ("Példa", "pelda")],
        "Fejlesztő, Példa Kft.",
        phrases::HUNGARIAN,
    ),
    western(
        &[("Çağla", "cagla"), ("İlker", "ilker")],
        &[("Örnek", "ornek")],
        "Ürün müdürü, Örnek A.Ş.",
        phrases::TURKISH,
    ),
    western(
        &[("Ольга", "olga"), ("Пётр", "pyotr"), ("Їжак", "yizhak")],
        &[("Примерова", "primerova"), ("Образцов", "obraztsov"), ("Зразок", "zrazok")],
        "Инженер, ООО «Пример»",
        phrases::RUSSIAN,
    ),
    western(
        &[("Ελένη", "eleni"), ("Νίκος", "nikos")],
        &[("Παράδειγμα", "paradeigma"), ("Δείγμα", "deigma")],
        "Σύμβουλος, Παράδειγμα ΑΕ",
        phrases::GREEK,
    ),
    eastern(
        &[("三", "san"), ("四", "si"), ("小样", "xiaoyang")],
        &[("张", "zhang"), ("示例", "shili")],
        "",
        "产品经理 · 示例公司",
        phrases::CHINESE,
    ),
    eastern(
        &[("太郎", "taro"), ("花子", "hanako")],
        &[("見本", "mihon"), ("例示", "reiji")],
        " ",
        "エンジニア／株式会社サンプル",
        phrases::JAPANESE,
    ),
    eastern(
        &[("길동", "gildong"), ("예시", "yesi")],
        &[("홍", "hong"), ("견본", "gyeonbon")],
        "",
        "개발자, 예시 주식회사",
        phrases::KOREAN,
    ),
    western(
        &[("فلان", "fulan"), ("نموذجة", "namudhaja")],
        &[("الفلاني", "al-fulani"), ("مثال", "mithal")],
        "مهندسة في شركة مثال",
        phrases::ARABIC,
    ),
    western(
        &[("דנה", "dana"), ("ישראל", "yisrael")],
        &[("דוגמה", "dugma"), ("ישראלי", "yisraeli")],
        "מהנדסת, דוגמה בע״מ",
        phrases::HEBREW,
    ),
    western(
        &[("สมชาย", "somchai"), ("สมหญิง", "somying")],
        &[("ตัวอย่าง", "tuayang"), ("นามสมมุติ", "namsommut")],
        "วิศวกร บริษัท ตัวอย่าง จำกัด",
        phrases::THAI,
    ),
];

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
    let tail = urn::mix(urn::hash(&id)) & 0xff_ffff;
    // Some addresses hold the name in its own script, percent-encoded.
    let slug = if rng.u8(..8) == 0 {
        let native: String = byte_serialize(name.replace([' ', '\''], "-").as_bytes()).collect();
        format!("{native}-{tail:06x}")
    } else {
        format!("{first_slug}-{last_slug}-{tail:06x}")
    };
    let picture = (rng.u8(..10) > 0).then(|| format!("https://media.example.org/{tail:06x}.jpg"));
    Person {
        id,
        name,
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        headline: culture.role.to_owned(),
        profile_url: Some(format!("https://www.linkedin.com/in/{slug}/")),
        picture,
    }
}

/// A member whose account is gone: no name, no page.
pub(super) fn gone(number: u64) -> Person {
    Person {
        id: urn::profile_id(urn::mix(number)),
        name: "LinkedIn Member".to_owned(),
        first_name: "LinkedIn".to_owned(),
        last_name: "Member".to_owned(),
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
            for culture in &CULTURES {
                let person = invent(&mut rng, culture, number);
                let key = urn::profile_key(person.profile_url.as_deref().unwrap());
                assert!(keys.insert(key.unwrap()), "{person:?}");
            }
        }
    }

    #[test]
    fn names_stand_in_the_order_of_their_language() {
        let mut rng = fastrand::Rng::with_seed(1);
        for culture in &CULTURES {
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
