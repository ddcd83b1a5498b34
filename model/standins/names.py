"""Invented names of shops, brands and goods, and other words that are printed on products."""

import numpy as np

from model.standins.chance import chance, pick, weighted, whole

_FORM = ("", "", "", "", " GmbH", " Ltd", " & Co.", " Inc.", ".com", ".shop", ".net", " AG", " BV")
_MARK = ("", "", "", "", "", "", "®", "™")


def listed(text: str) -> tuple[str, ...]:
    """Phrases written one after the other, each ended by a semicolon; ``\\\\n`` is a line's end."""
    flat = " ".join(text.split())
    return tuple(part.strip().replace("\\n", "\n") for part in flat.split(";") if part.strip())


_START = listed("""
    al; be; ca; da; el; fi; ga; ha; in; jo; ka; lu; ma; no; or; pa; qu; ra; sa; ta; ul; ve;
    wi; xa; yo; ze; bra; cro; dri; fle; gri; kno; pla; sho; ski; sta; tri; vol; wex; zan; nor;
    sol; lum; ver; kor; bel; mon; tor
""")
_MIDDLE = listed("""
    la; ri; no; va; le; mo; ti; ra; ne; do; li; sa; bo; ca; mi; vi; ro; ta; ko; be; lo; ma
""")
_END = listed("""
    a; o; ia; io; er; on; ex; ix; ora; ello; ino; ely; ium; is; us; en; ana; etta; ova; ics;
    ify; ly; ster; mark; wood; berg; field; line; tech; wear; lab; way; point
""")
_NOUN = listed("""
    Home; Garden; Fashion; Style; Market; Store; Shop; Trade; Living; Kids; Sport; Outdoor;
    Beauty; Books; Music; Wine; Coffee; Tea; Tools; Parts; Electronics; Toys; Shoes; Jewels;
    Pets; Deco; Studio; House; Atelier; Gallery; Boutique; Outlet; Direct; World; Express;
    Depot; Corner; Factory; Bazaar
""")

TITLES: dict[str, tuple[str, ...]] = {
    "en": listed("""
        The Silent River; A History of Salt; Gardens of the North; Learning Algebra;
        Cooking at Home; Night Train to Lisbon; The Art of Repair; Modern Physics; Winter Songs;
        Letters from the Sea; Programming by Example; The Last Orchard; Birds of Europe;
        Yoga for Beginners; Home Wiring Guide; Summer Collection; Keep calm and carry on;
        Good vibes only; Do what you love; Stay wild; Happy Birthday; Thank you; Best Dad Ever;
        Gift Card; Extra Virgin Olive Oil; Dark Chocolate 70%; Organic Green Tea; Whole Milk;
        Fresh Roasted Coffee; Hand Cream; Eau de Parfum; Limited Edition; Sale; New;
        Made in Italy; Fragile; Exit; Private Property; Open; Closed; Beware of the dog
    """),
    "de": listed("""
        Der stille Fluss; Frohe Weihnachten; Alles Gute zum Geburtstag; Gutschein;
        Bio Vollmilch; Kochen mit Liebe; Kaffee gemahlen; Grundlagen der Physik; Handcreme;
        Herzlich willkommen; Heimat
    """),
    "fr": listed("""
        Le petit jardin; Joyeux anniversaire; Carte cadeau; Huile d'olive; Café moulu;
        Bonne année; Crème mains; Histoire de la mer; Vin de pays; La vie est belle
    """),
    "es": listed("""
        El jardín secreto; Feliz cumpleaños; Tarjeta regalo; Aceite de oliva; Café molido;
        Leche entera; Viva la vida
    """),
    "it": listed("""
        La casa sul mare; Buon compleanno; Carta regalo; Olio di oliva; Pasta fresca;
        Dolce vita
    """),
    "pt": listed("O rio azul; Feliz aniversário; Cartão presente; Café torrado; Azeite virgem"),
    "pl": listed("""
        Cicha rzeka; Wszystkiego najlepszego; Karta podarunkowa; Miód lipowy; Książka kucharska
    """),
    "tr": listed("Sessiz nehir; Mutlu yıllar; Hediye kartı; Zeytinyağı; Türk kahvesi"),
    "vi": listed("Cà phê sữa; Chúc mừng năm mới; Trà xanh; Thẻ quà tặng"),
    "sv": listed("Den tysta floden; Grattis på födelsedagen; Presentkort; Ekologisk mjölk"),
    "cs": listed("Tichá řeka; Všechno nejlepší; Dárková karta; Čerstvé mléko"),
    "ru": listed("""
        Тихая река; С днём рождения; Подарочная карта; Молоко; Война и мир; Кофе молотый;
        Чай зелёный; Шоколад
    """),
    "uk": listed("Тиха річка; З днем народження; Молоко; Зелений чай"),
    "el": listed("Το ήσυχο ποτάμι; Χρόνια πολλά; Ελαιόλαδο; Δωροκάρτα; Καφές"),
    "he": listed("הנהר השקט; יום הולדת שמח; כרטיס מתנה; שמן זית; קפה טחון"),
    "ar": listed("النهر الهادئ; عيد ميلاد سعيد; بطاقة هدية; زيت زيتون; قهوة عربية; شاي أخضر"),
    "fa": listed("رودخانه آرام; تولدت مبارک; کارت هدیه; چای سبز; زعفران"),
    "hi": listed("शांत नदी; जन्मदिन मुबारक; उपहार कार्ड; हरी चाय; दूध"),
    "bn": listed("শান্ত নদী; শুভ জন্মদিন; চা; উপহার কার্ড"),
    "ta": listed("அமைதி நதி; பிறந்தநாள் வாழ்த்துக்கள்; தேநீர்"),
    "te": listed("నిశ్శబ్ద నది; పుట్టినరోజు శుభాకాంక్షలు; టీ పొడి"),
    "gu": listed("શાંત નદી; જન્મદિવસ મુબારક; ચા"),
    "th": listed("แม่น้ำ|เงียบ; สุขสันต์|วันเกิด; ชา|เขียว; กาแฟ|คั่ว|บด"),
    "ka": listed("მშვიდი მდინარე; გილოცავ; მწვანე ჩაი"),
    "hy": listed("Հանդարտ գետ; Ծնունդդ շնորհավոր; Կանաչ թեյ"),
    "am": listed("መልካም ልደት; ቡና; አረንጓዴ ሻይ"),
    "km": listed("តែ|បៃតង; រីករាយ|ថ្ងៃកំណើត"),
    "zh": listed("安静的河; 生日快乐; 礼品卡; 绿茶; 新鲜|牛奶; 福; 红楼梦; 咖啡"),
    "zh-tw": listed("生日快樂; 禮物卡; 烏龍茶; 紅樓夢; 鮮乳"),
    "ja": listed("静かな川; お誕生日|おめでとう; ギフトカード; 緑茶; 牛乳; 雪国; コーヒー"),
    "ko": listed("고요한 강; 생일 축하해요; 기프트 카드; 녹차; 우유; 커피"),
}  # fmt: skip


def brand(rng: np.random.Generator) -> str:
    """An invented brand: "Solvino", "KORVE", "Belmark & Co."."""
    word = (
        pick(rng, _START)
        + "".join(pick(rng, _MIDDLE) for _ in range(whole(rng, 0, 2)))
        + pick(rng, _END)
    )
    word = word.capitalize()
    if chance(rng, 0.12):
        word = word.upper()
    elif chance(rng, 0.08):
        word = word.lower()
    return word


def shop(rng: np.random.Generator) -> str:
    """An invented name of a shop: "Solvino Garden", "Korve.com"."""
    name = brand(rng)
    if chance(rng, 0.35):
        name = f"{name} {pick(rng, _NOUN)}"
    elif chance(rng, 0.1):
        name = f"{pick(rng, _NOUN)} {name}"
    return name + (pick(rng, _FORM) or pick(rng, _MARK))


def initials(rng: np.random.Generator) -> str:
    """One to three capitals for a monogram."""
    letters = "ABCDEFGHIJKLMNOPRSTUVWXYZ"
    n = weighted(rng, {1: 0.4, 2: 0.42, 3: 0.18})
    return "".join(pick(rng, letters) for _ in range(n))


def person(rng: np.random.Generator) -> str:
    """An invented author."""
    first = pick(
        rng,
        (
            "Anna",
            "J. R.",
            "Mario",
            "Li",
            "Elif",
            "K.",
            "Nora",
            "Ivan",
            "Amara",
            "Luis",
            "Tove",
            "S.",
        ),
    )
    return f"{first} {brand(rng).capitalize()}"


def price(rng: np.random.Generator) -> str:
    """A price, a discount or a voucher."""
    units = whole(rng, 1, 999)
    cents = pick(rng, ("99", "95", "00", "50", "49"))
    off = pick(rng, (10, 15, 20, 25, 30, 50, 70))
    voucher = pick(rng, (5, 10, 20, 25, 50, 100, 200))
    euro, pound = f"{units},{cents} €", f"£{units}.{cents}"
    return pick(rng, (f"${units}", euro, pound, f"-{off}%", f"{units} kr", f"{voucher}$"))


def measure(rng: np.random.Generator) -> str:
    """A size, a volume, a model number: what labels on goods say."""
    n = whole(rng, 1, 999)
    size = pick(rng, ("XS", "S", "M", "L", "XL", "XXL", f"EU {whole(rng, 35, 48)}"))
    amount = f"{n}{pick(rng, (' ml', ' g', ' mm', ' W', ' cm', 'V', '', ' pcs'))}"
    part = f"{brand(rng)[:2].upper()}-{n}"
    screw = f"M{n % 24 + 2}x{n % 90 + 8}"
    return pick(rng, (size, amount, amount, part, screw, f"No. {n}", f"R{n % 9}"))
