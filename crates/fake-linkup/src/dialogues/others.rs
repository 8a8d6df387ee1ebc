//! Dialogues in languages with letters, directions or scripts of their own: fewer, for shorter conversations.

use super::{Language, a, b};

pub(crate) static HUNGARIAN: Language = Language {
    openings: &[&[
        a("Szia! Köszönöm, hogy visszajelöltél. Nagyon tetszett az előadásod."),
        b("Köszönöm szépen! Ti is hasonlón dolgoztok?"),
        a("Igen, idén költöztetjük a régi iratokat."),
    ]],
    dialogues: &[
        &[
            a("Ráérsz a jövő héten egy rövid hívásra?"),
            b("{day} {time}-kor nekem jó. Neked is?"),
            a("Tökéletes, én hívlak."),
            b("Rendben, várom."),
        ],
        &[
            a("Küldöm a szerződés tervezetét.").with_file("szerzodes.pdf"),
            b("Köszönöm, holnap átnézem."),
            b("Két apró megjegyzésem van a margón.").days_later(),
            a("Mindkettő jogos. Javítva visszaküldöm."),
            b("Aláírva postáztam."),
        ],
        &[
            a("A {n}. számú számlán még a régi címünk szerepel."),
            b("Elnézést! Mi az új?"),
            a("Minta utca 12., a többi jó."),
            b("Itt a javított számla.").hours_later().with_file("szamla.pdf"),
        ],
        &[
            a("Gratulálok az új álláshoz! 🎉"),
            b("Köszönöm! Még tanulom a neveket."),
            a("Nagy a csapat?"),
            b("Tizenegyen vagyunk, három irodában."),
        ],
        &[
            a("A bétatesztbe írtuk be az árvíztűrő tükörfúrógépet. Jól jelenik meg nálad?"),
            b("Igen, minden ékezet a helyén van: ő és ű is."),
            a("Akkor élesíthetjük."),
        ],
    ],
    days: &["hétfőn", "kedden", "szerdán", "csütörtökön", "pénteken"],
    projects: &["Iránytű", "Világítótorony"],
    titles: &["Költségvetés 2026"],
    edited: "(szerkesztve)",
};

pub(crate) static TURKISH: Language = Language {
    openings: &[&[
        a("Merhaba, bağlantı isteğimi kabul ettiğin için teşekkürler."),
        b("Ne demek! Sunumuma sen de geldin, değil mi?"),
        a("Evet, çok beğendim."),
    ]],
    dialogues: &[
        &[
            a("Bu hafta kısa bir görüşme yapabilir miyiz?"),
            b("{day} saat {time} uygun. Sana da uyar mı?"),
            a("Uyar, ben ararım."),
            b("Iğdır'daki toplantı iptal oldu, istersen daha erken de olur.").hours_later(),
            a("Teşekkürler, aynı saatte kalalım."),
        ],
        &[
            a("Sözleşmeyi gönderir misin?"),
            b("Tabii, taslak ekte.").with_file("sozlesme.pdf"),
            a("Dördüncü madde yeni mi?"),
            b("Evet, iki tarafın sorumluluğunu sınırlıyor."),
            a("Uygun. İmzalayıp gönderdim.").days_later(),
        ],
        &[
            a("{n} numaralı faturada eski adresimiz var."),
            b("Özür dilerim. Yenisi nedir?"),
            a("Örnek Sokak 12, gerisi doğru."),
            b("Düzeltilmiş fatura ekte.").hours_later().with_file("fatura.pdf"),
        ],
        &[
            a("Yeni görevin hayırlı olsun!"),
            b("Çok teşekkürler! Ekip on bir kişi."),
            a("Başarılar, yarın görüşelim."),
        ],
        &[
            a("{project} raporundaki toplam yanlış görünüyor."),
            b("Haklısın, bir satır eksik. Bugün düzeltirim."),
            a("Şimdi doğru, teşekkürler.").hours_later(),
        ],
    ],
    days: &["pazartesi", "salı", "çarşamba", "perşembe", "cuma"],
    projects: &["Pusula", "Deniz Feneri"],
    titles: &["Bütçe 2026 İzmir"],
    edited: "(düzenlendi)",
};

pub(crate) static RUSSIAN: Language = Language {
    openings: &[&[
        a("Здравствуйте! Спасибо, что приняли приглашение."),
        b("Здравствуйте! Чем могу помочь?"),
        a("Хочу узнать подробнее о проекте «{project}»."),
        b("С удовольствием расскажу."),
    ]],
    dialogues: &[
        &[
            a("Когда вам удобно созвониться?"),
            b("{day} в {time}, подойдёт?"),
            a("Подойдёт, жду звонка."),
            b("Можно перенести на день позже?").days_later(),
            a("Конечно, в то же время."),
        ],
        &[
            a("Пришлите, пожалуйста, смету до пятницы."),
            b("Смета во вложении.").hours_later().with_file("smeta.pdf"),
            a("Спасибо! Почему так дорого обучение?"),
            b("В нём два дня. Можем сократить до одного."),
            a("Давайте сократим."),
        ],
        &[
            a("Отправляю проект договора, новый только пункт 4.").with_file("dogovor.pdf"),
            b("Спасибо, договор получен. Два замечания на полях."),
            a("Оба приняты."),
            b("Подписанный экземпляр уже в пути.").days_later(),
        ],
        &[
            a("В счёте № {n} указан наш старый адрес."),
            b("Извините! Какой теперь новый?"),
            a("Улица Образцовая, 12."),
            b("Вот исправленный счёт.").hours_later().with_file("schet.pdf"),
        ],
        &[
            a("Ещё раз поздравляю с новой должностью 🎉"),
            b("Спасибо! Пока учу имена коллег."),
            a("Всё получится."),
        ],
    ],
    days: &["в понедельник", "во вторник", "в среду", "в четверг", "в пятницу"],
    projects: &["Маяк", "Компас"],
    titles: &["Договор <v2>"],
    edited: "(изменено)",
};

pub(crate) static GREEK: Language = Language {
    openings: &[&[
        a("Καλησπέρα, ευχαριστώ που αποδεχτήκατε την πρόσκληση."),
        b("Καλησπέρα! Πώς μπορώ να βοηθήσω;"),
        a("Θα ήθελα να μάθω για το έργο {project}."),
    ]],
    dialogues: &[
        &[
            a("Πότε σας βολεύει μια κλήση;"),
            b("{day} στις {time}, σας κάνει;"),
            a("Τέλεια, θα καλέσω εγώ."),
            b("Μπορούμε να το μεταφέρουμε μία μέρα;").days_later(),
            a("Βεβαίως, την ίδια ώρα."),
        ],
        &[
            a("Σας στέλνω το σχέδιο του συμβολαίου.").with_file("symvolaio.pdf"),
            b("Ευχαριστώ πολύ. Έχω δύο σχόλια στο περιθώριο.").hours_later(),
            a("Δεκτά και τα δύο."),
            b("Το υπογράψαμε σήμερα.").days_later(),
        ],
        &[
            a("Το τιμολόγιο {n} έχει την παλιά μας διεύθυνση."),
            b("Συγγνώμη! Ποια είναι η νέα;"),
            a("Οδός Παραδείγματος 12."),
            b("Ορίστε το διορθωμένο.").hours_later().with_file("timologio.pdf"),
        ],
        &[a("Συγχαρητήρια για τη νέα θέση!"), b("Ευχαριστώ πολύ, θα τα πούμε αύριο."), a("Με χαρά 🙂")],
    ],
    days: &["τη Δευτέρα", "την Τρίτη", "την Τετάρτη", "την Πέμπτη", "την Παρασκευή"],
    projects: &["Πυξίδα", "Φάρος"],
    titles: &["Προϋπολογισμός 2026"],
    edited: "(τροποποιήθηκε)",
};

pub(crate) static CHINESE: Language = Language {
    openings: &[&[
        a("您好，谢谢您通过我的好友请求。"),
        b("您好！很高兴认识您。"),
        a("我想了解一下“{project}”项目。"),
        b("好的，没问题，随时联系。"),
    ]],
    dialogues: &[
        &[
            a("{day}方便通话吗？"),
            b("可以，{time}怎么样？"),
            a("好的，到时候我打给您。"),
            b("不好意思，能推迟一天吗？").days_later(),
            a("没问题，时间不变。"),
        ],
        &[
            a("合同草案请查收，只有第四条是新的。").with_file("合同.pdf"),
            b("谢谢，合同已经收到。"),
            b("有两处小意见，写在旁边了。").hours_later(),
            a("都接受。什么时候可以签字？"),
            b("已经签好，今天寄出。").days_later(),
        ],
        &[
            a("发票{n}上还是我们的旧地址。"),
            b("抱歉！新地址是什么？"),
            a("示例路12号，其他都对。"),
            b("这是更正后的发票。").hours_later().with_file("发票.pdf"),
        ],
        &[a("恭喜升职！🎊"), b("谢谢！还在记大家的名字。"), a("团队大吗？"), b("十一个人，三个办公室。")],
        &[
            a("报告第{n}页的合计好像不对。"),
            b("您说得对，少了一行，今天就改。"),
            a("现在对了，谢谢。").hours_later(),
        ],
    ],
    days: &["周一", "周二", "周三", "周四", "周五"],
    projects: &["灯塔", "指南针"],
    titles: &["2026年预算"],
    edited: "（已编辑）",
};

pub(crate) static JAPANESE: Language = Language {
    openings: &[&[
        a("はじめまして。つながりの承認、ありがとうございます。"),
        b("こちらこそ、よろしくお願いいたします。"),
        a("「{project}」について一度お話を伺えますか？"),
        b("もちろんです。いつでもご連絡ください。"),
    ]],
    dialogues: &[
        &[
            a("来週の{day}はいかがでしょうか？"),
            b("{time}からでしたら大丈夫です。"),
            a("ありがとうございます！招待をお送りします。"),
            b("申し訳ありません、一日ずらせますか？").days_later(),
            a("承知しました。同じ時間にしましょう。"),
        ],
        &[
            a("お世話になっております。契約書をお送りします。").with_file("契約書.pdf"),
            b("ありがとうございます。第四条だけ確認させてください。"),
            a("双方の責任を限定する条項です。"),
            b("問題ありません。署名してお返しします。").days_later(),
        ],
        &[
            a("請求書{n}の住所が以前のままです。"),
            b("失礼いたしました。新しい住所を教えていただけますか？"),
            a("見本町12番地です。"),
            b("訂正した請求書をお送りします。").hours_later().with_file("請求書.pdf"),
        ],
        &[
            a("ご昇進おめでとうございます！"),
            b("ありがとうございます。まだ名前を覚えている途中です。"),
            a("また近いうちにお会いしましょう。"),
        ],
        &[
            a("報告書の{n}ページの合計が合わないようです。"),
            b("ご指摘の通りです。本日中に直します。"),
            a("確認しました。ありがとうございます。").hours_later(),
        ],
    ],
    days: &["月曜日", "火曜日", "水曜日", "木曜日", "金曜日"],
    projects: &["灯台", "羅針盤"],
    titles: &["見本プロジェクト"],
    edited: "（編集済み）",
};

pub(crate) static KOREAN: Language = Language {
    openings: &[&[
        a("안녕하세요, 수락해 주셔서 감사합니다."),
        b("안녕하세요! 무엇을 도와드릴까요?"),
        a("{project} 프로젝트에 대해 여쭤보고 싶습니다."),
    ]],
    dialogues: &[
        &[
            a("다음 주 {day}에 통화 가능하신가요?"),
            b("네, {time}에 괜찮습니다."),
            a("감사합니다. 제가 전화드리겠습니다."),
            b("죄송하지만 하루 미룰 수 있을까요?").days_later(),
            a("네, 같은 시간에 뵙겠습니다."),
        ],
        &[
            a("계약서 초안을 보내드립니다.").with_file("계약서.pdf"),
            b("감사합니다. 계약서 잘 받았습니다."),
            a("4조만 새로 추가되었습니다."),
            b("확인했습니다. 서명해서 보내드렸습니다.").days_later(),
        ],
        &[
            a("청구서 {n}에 예전 주소가 적혀 있습니다."),
            b("죄송합니다. 새 주소가 어떻게 되나요?"),
            a("견본로 12입니다."),
            b("수정한 청구서입니다.").hours_later().with_file("청구서.pdf"),
        ],
        &[a("승진 축하드립니다! 🎉"), b("감사합니다! 아직 이름을 외우는 중입니다."), a("곧 뵙겠습니다.")],
    ],
    days: &["월요일", "화요일", "수요일", "목요일", "금요일"],
    projects: &["등대", "나침반"],
    titles: &["예산 2026"],
    edited: "(수정됨)",
};

pub(crate) static ARABIC: Language = Language {
    openings: &[&[
        a("السلام عليكم، شكراً على قبول الدعوة."),
        b("وعليكم السلام، أهلاً وسهلاً!"),
        a("أود معرفة المزيد عن مشروع {project}."),
        b("بكل سرور."),
    ]],
    dialogues: &[
        &[
            a("متى يناسبك الاجتماع القادم؟"),
            b("يوم {day} الساعة {time}، هل هذا مناسب؟"),
            a("مناسب تماماً."),
            b("هل يمكن تأجيله يوماً واحداً؟").days_later(),
            a("نعم، في الوقت نفسه."),
        ],
        &[
            a("مرفق مسودة العقد، والبند 4 وحده جديد.").with_file("contract.pdf"),
            b("شكراً جزيلاً، وصل العقد."),
            b("لدي ملاحظتان صغيرتان في الهامش.").hours_later(),
            a("مقبولتان. متى يتم التوقيع؟"),
            b("العقد الموقع في البريد.").days_later(),
        ],
        &[
            a("في الفاتورة رقم {n} عنواننا القديم."),
            b("عذراً! ما العنوان الجديد؟"),
            a("شارع المثال 12، والباقي صحيح."),
            b("هذه الفاتورة بعد التصحيح.").hours_later().with_file("invoice.pdf"),
        ],
        &[
            a("مبروك المنصب الجديد (v2.0) 🎉"),
            b("شكراً! ما زلت أحفظ أسماء الزملاء."),
            a("بالتوفيق إن شاء الله."),
        ],
        &[
            a("المجموع في صفحة {n} من التقرير غير صحيح."),
            b("صحيح، ينقص سطر. سأصلحه اليوم."),
            a("الآن كل شيء سليم، شكراً.").hours_later(),
        ],
    ],
    days: &["الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة"],
    projects: &["المنارة", "البوصلة"],
    titles: &["ميزانية 2026"],
    edited: "(معدّل)",
};

pub(crate) static HEBREW: Language = Language {
    openings: &[&[
        a("שלום, תודה על אישור ההזמנה."),
        b("שלום! במה אפשר לעזור?"),
        a("אשמח לשמוע על הפרויקט {project}."),
        b("בשמחה."),
    ]],
    dialogues: &[
        &[
            a("מתי נוח לך לדבר? Zoom או טלפון?"),
            b("Zoom, {day} בשעה {time}."),
            a("מצוין, ההזמנה בדרך."),
            b("אפשר לדחות ביום אחד?").days_later(),
            a("בטח, באותה שעה."),
        ],
        &[
            a("מצורפת טיוטת החוזה, רק סעיף 4 חדש.").with_file("contract.pdf"),
            b("תודה רבה, קיבלתי את החוזה."),
            b("יש שתי הערות בשוליים.").hours_later(),
            a("שתיהן מקובלות."),
            b("החוזה החתום בדואר.").days_later(),
        ],
        &[
            a("בחשבונית {n} מופיעה הכתובת הישנה שלנו."),
            b("סליחה! מה הכתובת החדשה?"),
            a("רחוב הדוגמה 12."),
            b("הנה החשבונית המתוקנת.").hours_later().with_file("invoice.pdf"),
        ],
        &[a("מזל טוב על התפקיד החדש! 🎉"), b("תודה רבה!"), a("בהצלחה, נדבר בקרוב.")],
    ],
    days: &["ביום שני", "ביום שלישי", "ביום רביעי", "ביום חמישי", "ביום שישי"],
    projects: &["מגדלור", "מצפן"],
    titles: &["תקציב 2026"],
    edited: "(נערך)",
};

pub(crate) static THAI: Language = Language {
    openings: &[&[a("สวัสดี ขอบคุณที่ตอบรับคำเชิญ"), b("สวัสดี ยินดีที่ได้รู้จัก"), a("อยากทราบเรื่องโครงการ{project}เพิ่มเติม")]],
    dialogues: &[
        &[
            a("สัปดาห์หน้าว่างวันไหนบ้าง"),
            b("{day} เวลา {time} สะดวกไหม"),
            a("สะดวก แล้วจะโทรไป"),
            b("ขอเลื่อนไปหนึ่งวันได้ไหม").days_later(),
            a("ได้เลย เวลาเดิม"),
        ],
        &[
            a("ส่งร่างสัญญามาให้แล้ว").with_file("contract.pdf"),
            b("ขอบคุณมาก ได้รับสัญญาแล้ว"),
            b("มีข้อสังเกตสองข้อ").hours_later(),
            a("ตกลงทั้งสองข้อ"),
            b("เซ็นแล้ว ส่งไปรษณีย์วันนี้").days_later(),
        ],
        &[
            a("ใบแจ้งหนี้ {n} ยังเป็นที่อยู่เก่า"),
            b("ขออภัย ที่อยู่ใหม่คืออะไร"),
            a("ถนนตัวอย่าง 12"),
            b("นี่คือฉบับแก้ไข").hours_later().with_file("invoice.pdf"),
        ],
        &[a("ยินดีด้วยกับตำแหน่งใหม่นะ 🎉"), b("ขอบคุณมาก"), a("แล้วพบกัน")],
    ],
    days: &["วันจันทร์", "วันอังคาร", "วันพุธ", "วันพฤหัสบดี", "วันศุกร์"],
    projects: &["ประภาคาร", "เข็มทิศ"],
    titles: &["งบประมาณ 2026"],
    edited: "(แก้ไขแล้ว)",
};
