"""Ordinary words on goods, a line for each language of the notices, and what is kept out.

The reader has to tell a notice from what else is printed in the same language, so every language
that has notices has goods here: were one without, its very letters would give the answer away.
Among them are words that notices share: photo albums, picture frames, "sugar free", "new".
``|`` marks where a line may break without a space.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from model.holdout import position
from model.standins.fonts import script_of
from model.standins.names import TITLES, listed
from model.standins.resources import NOTICES

Group = Literal["seen", "phrase", "language", "script"]
"""How strange a piece of writing is to a reader: seen in training, or new by its phrase, by its
language (others of its script were seen), by its whole script."""

HELD_OUT_SCRIPTS = frozenset({"thai", "georgian", "ethiopic"})
HELD_OUT_LANGUAGES = frozenset({"sv", "cs", "id", "ca", "hr", "uk", "bg", "ur", "mr"})
HELD_OUT_SHARE = 1 / 3
"""Of the phrases of every other language, by the hash of the phrase."""

_GOODS: dict[str, str] = {
    "en": """Photo album; Picture frame; Image editing made easy; Photo paper A4; Sugar free; New;
        Sale; No added sugar; Available in 3 colours; Free shipping; Ingredients; Natural soap;
        Instant camera; Best seller; Sold here; Wall picture; Photo book; No. 1 choice; Not for
        resale; Coming home; See you soon; Product of Italy; Sorry seems to be the hardest word;
        Shake well before use; Net weight 500 g; Handle with care; Water resistant; Organic;
        Soft touch; Family pack; Low fat; No parking; Do not disturb; Under the sea; Strong""",
    "de": """Fotoalbum; Bilderrahmen; Ohne Zucker; Neu; Angebot; Zutaten; Kein Zusatz von Zucker;
        Fotopapier; Jetzt verfügbar; Handgemacht; Nicht stürzen; Kalt servieren; Bilderbuch;
        Mineralwasser; Bitte nicht stören; Frische Eier; Für die ganze Familie""",
    "fr": """Album photo; Cadre; Sans sucre; Nouveau; Soldes; Ingrédients; Livre d'images;
        Papier photo; Fait main; Pas à pas; Disponible en bleu; Beurre doux; Eau minérale; Bientôt
        Noël; Ne pas jeter; Pour toute la famille""",
    "es": """Álbum de fotos; Marco; Sin azúcar; Nuevo; Oferta; Ingredientes; Papel fotográfico;
        Hecho a mano; Disponible en azul; Jabón natural; No tocar; Pan de molde; Agua mineral;
        Sin gluten; Hasta pronto""",
    "it": """Album di foto; Cornice; Senza zucchero; Nuovo; Saldi; Ingredienti; Carta fotografica;
        Fatto a mano; Disponibile in blu; Sapone naturale; Nessun dorma; Acqua minerale; A presto;
        Senza glutine""",
    "pt": """Álbum de fotos; Moldura; Sem açúcar; Novo; Promoção; Ingredientes; Papel fotográfico;
        Feito à mão; Disponível em azul; Sabão natural; Não tocar; Água mineral; Sem
        glúten; Até já""",
    "nl": """Fotoalbum; Fotolijst; Suikervrij; Nieuw; Uitverkoop; Ingrediënten; Fotopapier;
        Handgemaakt; Geen suiker; Verse melk; Niet storen; Roomboter; Tot binnenkort""",
    "ro": """Album foto; Ramă; Fără zahăr; Nou; Reducere; Ingrediente; Hârtie foto; Lapte proaspăt;
        Miere de albine; Fără gluten; Carte de poveste""",
    "pl": """Album na zdjęcia; Ramka; Bez cukru; Nowość; Wyprzedaż; Składniki; Papier
        fotograficzny; Mleko świeże; Mydło naturalne; Ręcznie robione; Brak cukru""",
    "cs": """Fotoalbum; Rámeček; Bez cukru; Novinka; Sleva; Složení; Máslo; Ruční práce;
        Bez lepku; Med květový; Obrázková kniha""",
    "sk": """Fotoalbum; Rámik; Bez cukru; Novinka; Zľava; Zloženie; Maslo; Ručná práca; Bez lepku;
        Med lesný; Čerstvé mlieko""",
    "hu": """Fényképalbum; Képkeret; Cukormentes; Új; Akció; Összetevők; Friss tej; Kézzel
        készült; Képeskönyv; Nincs benne cukor; Méz""",
    "sv": """Fotoalbum; Tavelram; Utan socker; Nyhet; Rea; Ingredienser; Färsk mjölk; Bilderbok;
        Handgjord; Snart jul; Smör""",
    "da": """Fotoalbum; Billedramme; Uden sukker; Nyhed; Udsalg; Ingredienser; Frisk mælk;
        Billedbog; Håndlavet; Intet sukker; Smør""",
    "nb": """Fotoalbum; Bilderamme; Uten sukker; Nyhet; Salg; Ingredienser; Fersk melk; Bildebok;
        Håndlaget; Ingen sukker; Smør""",
    "fi": """Valokuvakirja; Taulukehys; Sokeriton; Uutuus; Alennus; Ainekset; Tuore maito;
        Kuvakirja; Käsintehty; Ei lisättyä sokeria; Voi""",
    "is": "Myndaalbúm; Rammi; Sykurlaust; Nýtt; Útsala; Innihald; Fersk mjólk; Engin sykur",
    "et": "Fotoalbum; Pildiraam; Suhkruvaba; Uus; Soodus; Koostis; Värske piim; Pildiraamat",
    "lv": "Fotoalbums; Rāmis; Bez cukura; Jaunums; Izpārdošana; Sastāvs; Svaigs piens; Medus",
    "lt": """Nuotraukų albumas; Rėmelis; Be cukraus; Naujiena; Išpardavimas; Sudėtis; Šviežias
        pienas; Medus""",
    "hr": "Foto album; Okvir; Bez šećera; Novo; Rasprodaja; Sastojci; Svježe mlijeko; Slikovnica",
    "sl": "Foto album; Okvir; Brez sladkorja; Novo; Razprodaja; Sestavine; Sveže mleko; Slikanica",
    "bs": "Foto album; Okvir; Bez šećera; Novo; Akcija; Sastojci; Svježe mlijeko; Domaći med",
    "sq": "Album fotografish; Kornizë; Pa sheqer; E re; Ulje; Përbërësit; Qumësht i freskët",
    "tr": """Fotoğraf albümü; Resim çerçevesi; Şekersiz; Yeni; İndirim; İçindekiler; Taze süt;
        Doğal sabun; El yapımı; Resimli kitap; Şeker yok""",
    "az": "Foto albom; Çərçivə; Şəkərsiz; Yeni; Endirim; Tərkibi; Təzə süd; Yaşıl çay; Bal",
    "uz": "Foto albom; Ramka; Shakarsiz; Yangi; Chegirma; Tarkibi; Toza sut; Ko'k choy; Asal",
    "vi": """Album ảnh; Khung hình; Không đường; Mới; Giảm giá; Thành phần; Sữa tươi; Xà phòng;
        Sách ảnh; Nước mắm; Không gluten""",
    "id": """Album foto; Bingkai gambar; Tanpa gula; Baru; Diskon; Bahan; Susu segar; Sabun alami;
        Buku gambar; Tidak pedas""",
    "ms": "Album gambar; Bingkai; Tanpa gula; Baharu; Jualan; Ramuan; Susu segar; Buku gambar",
    "tl": "Album; Walang asukal; Bago; Sapatos; Sariwang gatas; Sabon; Kape; Mga sangkap",
    "sw": "Albamu ya picha; Hakuna sukari; Mpya; Ofa; Viungo; Maziwa safi; Sabuni; Kahawa",
    "af": "Fotoalbum; Geen suiker; Nuut; Uitverkoping; Bestanddele; Vars melk; Heuning; Seep",
    "ca": """Àlbum de fotos; Marc; Sense sucre; Nou; Rebaixes; Ingredients; Llet fresca; Llibre
        d'imatges; Sabó natural""",
    "eu": "Argazki albuma; Azukrerik gabe; Berria; Beherapenak; Osagaiak; Esne freskoa; Eztia",
    "gl": "Álbum de fotos; Sen azucre; Novo; Rebaixas; Ingredientes; Leite fresco; Mel; Xabón",
    "ga": "Albam grianghraf; Gan siúcra; Nua; Díolachán; Comhábhair; Bainne úr; Mil; Caife",
    "cy": "Albwm lluniau; Dim siwgr; Newydd; Gwerthu; Cynhwysion; Llaeth ffres; Mêl; Coffi",
    "eo": "Bildlibro; Sen sukero; Nova; Rabato; Konsisto; Freŝa lakto; Mielo; Kafo",
    "mt": "Album; Bla zokkor; Ġdid; Bejgħ; Ingredjenti; Ħalib frisk; Għasel; Kafè",
    "lb": "Fotoalbum; Keen Zocker; Nei; Solden; Zutaten; Frësch Mëllech; Hunneg; Seef",
    "ru": """Фотоальбом; Рамка для фото; Без сахара; Новинка; Скидка; Состав; Свежее молоко;
        Натуральное мыло; Фотобумага; Нет войне; Ручная работа; Мёд; Книга с картинками""",
    "uk": """Фотоальбом; Рамка; Без цукру; Новинка; Знижка; Склад; Свіже молоко; Мило; Мед;
        Ручна робота""",
    "be": "Фотаальбом; Без цукру; Навінка; Зніжка; Склад; Свежае малако; Мёд; Хлеб",
    "bg": "Фотоалбум; Рамка; Без захар; Ново; Намаление; Съставки; Прясно мляко; Мед; Сапун",
    "sr": "Фото албум; Оквир; Без шећера; Ново; Распродаја; Састојци; Свеже млеко; Мед; Сапун",
    "mk": "Фото албум; Рамка; Без шеќер; Ново; Попуст; Состојки; Свежо млеко; Мед; Сапун",
    "kk": "Фотоальбом; Қантсыз; Жаңа; Жеңілдік; Құрамы; Жаңа сүт; Бал; Көк шай; Сабын",
    "ky": "Фотоальбом; Кантсыз; Жаңы; Арзандатуу; Курамы; Жаңы сүт; Бал; Көк чай; Самын",
    "mn": "Зургийн цомог; Элсэн чихэргүй; Шинэ; Хямдрал; Найрлага; Сүү; Зөгийн бал; Цай",
    "tg": "Албоми акс; Бе шакар; Нав; Тахфиф; Таркиб; Шири тоза; Асал; Чойи кабуд",
    "el": """Άλμπουμ φωτογραφιών; Κορνίζα; Χωρίς ζάχαρη; Νέο; Προσφορά; Συστατικά; Φρέσκο γάλα;
        Μέλι; Σαπούνι; Χειροποίητο; Χωρίς γλουτένη""",
    "he": """אלבום תמונות; מסגרת לתמונה; ללא סוכר; חדש; מבצע; רכיבים; חלב טרי; סבון טבעי; דבש;
        עבודת יד; אין כניסה; ספר תמונות""",
    "yi": "אן צוקער; ניי; פרישע מילך; האניק; קאווע; ביכער",
    "ar": """ألبوم صور; إطار صورة; بدون سكر; جديد; تخفيضات; المكونات; حليب طازج; صابون طبيعي; عسل;
        صنع يدوي; لا تدخين; كتاب مصور""",
    "fa": """آلبوم عکس; قاب عکس; بدون قند; جدید; تخفیف; مواد تشکیل دهنده; شیر تازه; صابون; عسل;
        دست ساز; کتاب مصور""",
    "ur": "فوٹو البم; چینی کے بغیر; نیا; رعایت; اجزاء; تازہ دودھ; شہد; صابن; سبز چائے",
    "ps": "له بورې پرته; نوی; تخفیف; تازه شیدې; شات; صابون; شین چای",
    "ckb": "ئەلبومی وێنە; بێ شەکر; نوێ; داشکاندن; شیری تازە; هەنگوین; سابوون",
    "hi": """फोटो एल्बम; चित्र पुस्तक; चीनी मुक्त; नया; छूट; सामग्री; ताज़ा दूध; शहद; साबुन;
        हाथ से बना; कोई मिलावट नहीं; चाय पत्ती""",
    "mr": "फोटो अल्बम; साखर नाही; नवीन; सवलत; साहित्य; ताजे दूध; मध; साबण; चित्र पुस्तक",
    "ne": "फोटो एल्बम; चिनी छैन; नयाँ; छुट; सामग्री; ताजा दूध; मह; साबुन; चिया",
    "bn": "ফটো অ্যালবাম; চিনি ছাড়া; নতুন; ছাড়; উপাদান; তাজা দুধ; মধু; সাবান; ছবির বই",
    "pa": "ਫੋਟੋ ਐਲਬਮ; ਖੰਡ ਰਹਿਤ; ਨਵਾਂ; ਛੋਟ; ਸਮੱਗਰੀ; ਤਾਜ਼ਾ ਦੁੱਧ; ਸ਼ਹਿਦ; ਸਾਬਣ",
    "gu": "ફોટો આલ્બમ; ખાંડ વગર; નવું; છૂટ; સામગ્રી; તાજું દૂધ; મધ; સાબુ",
    "ta": "புகைப்பட ஆல்பம்; சர்க்கரை இல்லை; புதிய; தள்ளுபடி; பொருட்கள்; பால்; தேன்; சோப்பு",
    "te": "ఫోటో ఆల్బమ్; చక్కెర లేదు; కొత్త; తగ్గింపు; పదార్థాలు; తాజా పాలు; తేనె; సబ్బు",
    "kn": "ಫೋಟೋ ಆಲ್ಬಮ್; ಸಕ್ಕರೆ ಇಲ್ಲ; ಹೊಸ; ರಿಯಾಯಿತಿ; ಪದಾರ್ಥಗಳು; ತಾಜಾ ಹಾಲು; ಜೇನು; ಸಾಬೂನು",
    "ml": "ഫോട്ടോ ആൽബം; പഞ്ചസാര ഇല്ല; പുതിയ; കിഴിവ്; ചേരുവകൾ; പാൽ; തേൻ; സോപ്പ്",
    "si": "ඡායාරූප ඇල්බමය; සීනි නැත; අලුත්; වට්ටම්; අමුද්‍රව්‍ය; කිරි; මී පැණි; සබන්",
    "th": """อัลบั้ม|รูป; กรอบ|รูป; ไม่มี|น้ำตาล; ใหม่; ลด|ราคา; ส่วนผสม; นม|สด; สบู่; น้ำผึ้ง;
        ทำ|ด้วย|มือ""",
    "lo": "ອັລບັມ|ຮູບ; ບໍ່ມີ|ນ້ຳຕານ; ໃໝ່; ຫຼຸດ|ລາຄາ; ນົມ|ສົດ; ນ້ຳເຜິ້ງ; ສະບູ",
    "km": "អាល់ប៊ុម|រូបថត; គ្មាន|ស្ករ; ថ្មី; បញ្ចុះ|តម្លៃ; ទឹកដោះគោ; ទឹកឃ្មុំ; សាប៊ូ",
    "my": "ဓာတ်ပုံ|အယ်လ်ဘမ်; သကြား|မပါ; အသစ်; လျှော့ဈေး; နို့; ပျားရည်; ဆပ်ပြာ",
    "ka": "ფოტო ალბომი; შაქრის გარეშე; ახალი; ფასდაკლება; რძე; თაფლი; საპონი; ჩარჩო",
    "hy": "Լուսանկարների ալբոմ; Առանց շաքար; Նոր; Զեղչ; Թարմ կաթ; Մեղր; Օճառ; Շրջանակ",
    "am": "የፎቶ አልበም; ስኳር የለም; አዲስ; ቅናሽ; ትኩስ ወተት; ማር; ሳሙና; ሻይ",
    "zh": """相册; 画框; 无糖; 新品; 特价; 配料; 鲜牛奶; 天然|香皂; 蜂蜜; 手工|制作; 照片|打印纸;
        图画书; 禁止|吸烟; 暂停|营业; 有机|大米""",
    "zh-tw": "相簿; 畫框; 無糖; 新品; 特價; 成分; 天然|香皂; 蜂蜜; 手工|製作; 圖畫書; 有機|白米",
    "ja": """写真|アルバム; 額縁; 砂糖|不使用; 新商品; セール; 原材料; 石けん; はちみつ; 手作り;
        写真用紙; 絵本; 準備|体操; お米; 無添加""",
    "ko": """사진 앨범; 액자; 무설탕; 신상품; 할인; 원재료; 신선한 우유; 비누; 꿀; 수제; 그림책;
        사진 용지; 준비 운동""",
}  # fmt: skip

GOODS: dict[str, tuple[str, ...]] = {
    language: listed(text) + TITLES.get(language, ()) for language, text in _GOODS.items()
}


def squeezed(text: str) -> str:
    """Letters and digits alone, lower case, without accents: how phrases are compared."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if letter.isalnum())


_KEPT_OUT = frozenset(
    squeezed(phrase)
    for phrases in (*NOTICES.values(), *GOODS.values())
    for phrase in phrases
    if position(squeezed(phrase), "phrase") < HELD_OUT_SHARE
)


def is_kept_out(text: str) -> bool:
    """Whether a phrase is of the third that is kept out of training."""
    return squeezed(text) in _KEPT_OUT


def group_of(text: str, language: str) -> Group:
    """How strange writing is to a reader that was trained with everything here kept out.

    Args:
        text: what is written, its lines (``\\n``) judged one by one; any case, ``|`` and all.
        language: of the text; empty for numbers alone.
    """
    if script_of(language) in HELD_OUT_SCRIPTS:
        return "script"
    if language in HELD_OUT_LANGUAGES:
        return "language"
    return "phrase" if any(map(is_kept_out, text.split("\n"))) else "seen"


def phrases(language: str, says_none: bool, group: Group) -> tuple[str, ...]:
    """Notices or ordinary words of a language that belong to a group; may be empty."""
    table = NOTICES if says_none else GOODS
    return tuple(p for p in table[language] if group_of(p, language) == group)


__all__ = [
    "GOODS",
    "HELD_OUT_LANGUAGES",
    "HELD_OUT_SCRIPTS",
    "HELD_OUT_SHARE",
    "Group",
    "group_of",
    "is_kept_out",
    "phrases",
    "squeezed",
]
