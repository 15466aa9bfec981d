"""Suffix classes: what a word has beyond its lemma, folded so that the forms of one suffix are one class."""

from collections.abc import Mapping


def fold(suffix: str, harmony: Mapping[str, str], buffers: str = "", vowels: str = "") -> str:
    """Class of a suffix: letters that stand for one another become one (``harmony``; Turkish -da, -de, -ta, -te), and a
    first letter of ``buffers`` before one of ``vowels`` goes (Turkish -(y)ı, -(s)ı, -(n)ın)."""
    if len(suffix) > 1 and suffix[0] in buffers and suffix[1] in vowels:
        suffix = suffix[1:]
    return "".join(harmony.get(letter, letter) for letter in suffix)


def ending(form: str, lemma: str, harmony: Mapping[str, str]) -> str | None:
    """Return what ``form`` has beyond ``lemma``; None where the lemma is no beginning of it.

    A stem's last consonant may be voiced (kitap, kitabı) and its last vowel drop (metin, metni): after the beginning
    that both share (as ``harmony`` sees it) at most two letters of the lemma are left over; the letter of the form that
    stands for the last is the stem's."""
    place = 0
    for letter, other in zip(form, lemma, strict=False):
        if harmony.get(letter, letter) != harmony.get(other, other):
            break
        place += 1
    left = lemma[place:]
    if place == 0 or len(left) > 2:
        return None
    if left and form[place : place + 1] == left[-1]:
        place += 1
    return form[place:]
