"""Steps that mend characters: encoding, composition, white space. Each returns the text itself where there is nothing
to mend."""

import re
import unicodedata

_LEADS = "ÂÃÄÅâĂĹ"
_CONTINUATION = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸŚŤŹśťźˇ˘ŁĄŞŻ˛łąşĽ˝ľżĞğİı"
"""What the first byte of two or three, and those after it, become in Latin-1, Windows-1252, -1250 and -1254."""
_MOJIBAKE = re.compile(f"[{_LEADS}][{_CONTINUATION}]")
_CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x9f"  # the others are a tab and ends of lines
_CONTROLS, _SURROGATES = re.compile(f"[{_CONTROL}]"), re.compile("[\ud800-\udfff]")
_INVALID = re.compile(f"[{_CONTROL}\ud800-\udfff]")
_BROKEN = re.compile(f"[{_CONTROL}]|[{_LEADS}][{_CONTINUATION}]")

_INVISIBLE = "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_BLANK = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_LINE_END = "\r\v\f\u2028\u2029"
_UNUSUAL = re.compile(f"[{_INVISIBLE}{_BLANK}{_LINE_END}]")
_REMOVED, _BLANKS, _LINE_ENDS = (
    re.compile(f"[{_INVISIBLE}]"),
    re.compile(f"[{_BLANK}]"),
    re.compile(f"\r\n|[{_LINE_END}]"),
)
_TRAILING, _NEWLINES = re.compile(r"(?<![ \t])[ \t]+\n"), re.compile(r"\n{3,}")


def repair(text: str) -> str:
    """Undo UTF-8 that was read as another encoding (ftfy, on lines that look like it) and remove control characters but
    the tab and ends of lines; a form feed stays, since it separates pages."""
    invalid = _INVALID.search(text)
    if invalid or _suspicious(text):
        text = "\n".join(_mend(line) for line in text.split("\n"))
    if invalid and _SURROGATES.search(text):
        from ftfy.fixes import fix_surrogates

        text = fix_surrogates(text)
    return _CONTROLS.sub("", text) if invalid else text


def _suspicious(text: str) -> bool:
    return any(lead in text for lead in _LEADS) and _MOJIBAKE.search(text) is not None


def _mend(line: str) -> str:
    if not _BROKEN.search(line):
        return line
    from ftfy import fix_encoding
    from ftfy.fixes import fix_c1_controls

    return fix_c1_controls(fix_encoding(line))


def nfc(text: str) -> str:
    """Canonical composition: one code point a letter with its marks."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def whitespace(text: str) -> str:
    """Normalise white space: one kind of line end and of blank; no invisible characters, no blanks at the ends of
    lines, at most one empty line, none at the ends of the text. Joiners, which emoji and some scripts need, stay."""
    if _UNUSUAL.search(text):
        text = _REMOVED.sub("", _BLANKS.sub(" ", _LINE_ENDS.sub("\n", text)))
    if " \n" in text or "\t\n" in text:
        text = _TRAILING.sub("\n", text)
    if "\n\n\n" in text:
        text = _NEWLINES.sub("\n\n", text)
    return text.strip() if text[:1].isspace() or text[-1:].isspace() else text
