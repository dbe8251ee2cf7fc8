"""Hints at what a text is: its script, its language by the small words of it, and damage by a wrong encoding."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

# The commonest function words: no text of a language does without, and few are another's, too.
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    name: frozenset(word for word in words.split() if len(word) > 1)  # one letter may be a code
    for name, words in {
        "English": "the and of to in is that it for was with as his her on are this be by from not you at have",
        "German": "der die das und ist nicht ein eine den dem mit von zu auf für im des sich auch es wie bei",
        "French": "le la les et est des une un du dans que qui pour pas sur au avec ce il elle sont aux",
        "Spanish": "el la los las y es de que en un una por con para no se del su al lo como más",
        "Italian": "il lo la gli le e è di che un una per con non si del della sono al da nel come",
        "Portuguese": "o a os as e é de que em um uma por com para não se do da no na mais como",
        "Dutch": "de het een en van is dat niet op te in zijn voor met aan er ook als bij maar om",
        "Polish": "i w na z do nie się to że jest o jak po ale od za przez dla są tym",
        "Swedish": "och att det som en på är av för med den till inte om ett var jag men han sig",
        "Turkish": "ve bir bu da de için ile çok ne daha olarak gibi var kadar sonra ki ama en",
    }.items()
}
FEWEST = 20  # function words, below which no language is told
LEAST = 0.1  # function words in each text on average, likewise
CLEAR = 1.3  # times as many as of the next language

# UTF-8 read as Windows-1252: the two or three letters that one becomes, and what replaces what can't be read.
DAMAGED = re.compile("[ÃÂ][\u0080-\u00bf‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€[™œ\u009d“”˜¦]|\ufffd")
HINTS: dict[str, re.Pattern[str]] = {
    "letters damaged by a wrong encoding": DAMAGED,
    "HTML": re.compile(r"</?[a-zA-Z][^<>]*>|&(?:amp|lt|gt|quot|nbsp|#\d+);"),
    "web addresses": re.compile(r"https?://|www\.", re.IGNORECASE),
    "e-mail addresses": re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
    "telephone numbers": re.compile(r"(?<!\d)\+\d{1,3}[\s\d()/-]{7,}\d"),
    "line breaks": re.compile(r"[\r\n]"),
    "control characters": re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]"),
    "invisible characters": re.compile("[\u200b-\u200f\u2028\u2029\u2060\ufeff]"),
}


def language(words: Counter[str], texts: int) -> str:
    """Of so many texts by how many have each word in lower case; empty where they have too few small words, or of
    several languages."""
    counts = {name: sum(words[each] for each in known) for name, known in FUNCTION_WORDS.items()}
    best, second, *_ = sorted(counts, key=lambda name: -counts[name])
    enough = counts[best] >= max(FEWEST, LEAST * texts)
    return best if enough and counts[best] > CLEAR * counts[second] else ""


def scripts(texts: Iterable[str]) -> dict[str, float]:
    """Shares of letters by script, such as LATIN, CYRILLIC or CJK, the largest first."""
    letters = Counter(each for text in texts for each in text if each.isalpha())
    found = Counter[str]()
    for letter, count in letters.items():
        name = "LATIN" if letter.isascii() else unicodedata.name(letter, "UNKNOWN").split()[0]
        found[name] += count
    total = sum(found.values())
    return {name: count / total for name, count in found.most_common()}
