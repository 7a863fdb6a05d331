"""What a text holds that is no token: named, and where it is clear what was meant, read as that.

Only loaded when there is something to report.
"""

from __future__ import annotations

import re
import unicodedata

from ..diagnostics import Diagnostic, Edit, Fix, Label
from ..source import Span
from .tokens import HIDDEN, Kinds, Tokens, kinds_of_terminals

# Signs that other languages and word processors write for tokens of this one.
MEANT = {
    "−": "-", "–": "-", "—": "-", "→": "->", "⟶": "->", "➔": "->", "⇒": "->", "×": "*", "·": "*",
    "∙": "*", "⋅": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~=", "…": "...",
    "‥": "..", "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "^": "**", "⁄": "/",
}  # fmt: skip
QUOTES = {
    "'": "'", "“": "”“\"", "”": "”“\"", "„": "“”\"", "‘": "’‘'", "’": "’‘'", "«": "»", "`": "`",
}  # fmt: skip
# Letters of other scripts that look like Latin ones.
LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТХасеорхуіјѕԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιν",
    "ABEKMHOPCTXaceopxyijsdhqwABEZHIKMNOPTYXoiv",
)
MAX_EDITS = 1000  # places that one fix changes at most
_WORD = re.compile(r"[\w\u0300-\u036f]+")
_ASCII_WORD = re.compile(r"[A-Za-z0-9_]+")
_FOREIGN = re.compile(r"[^\x00-\x7f\w\s]+")
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_NAMES = {"\0": "NUL", "\x0b": "vertical tab", "\x1b": "escape", "\x7f": "delete"}


def describe(character: str) -> str:
    """`“` (U+201C, left double quotation mark); controls are not shown themselves."""
    code = f"U+{ord(character):04X}"
    name = _NAMES.get(character) or unicodedata.name(character, "").lower()
    name = "" if name.endswith(code[2:].lower()) else name
    known = f"{code}, {name}" if name else code
    if HIDDEN.match(character) or not character.isprintable():
        return known
    return f"`{character}` ({known})"


def wrong_character(tokens: Tokens, position: int) -> int:
    """Report what starts at `position`, add the token that was meant (or a wrong one), go on."""
    text, stop = tokens.source.text, tokens.end
    character = text[position]
    kinds = kinds_of_terminals()
    if character == '"':
        return _unterminated(tokens, kinds, position)
    if character in QUOTES and (close := _closing_quote(text, position, stop)) is not None:
        return _quoted(tokens, kinds, position, close)
    for length in (2, 1):
        end = min(position + length, stop)
        meant = MEANT.get(text[position:end])
        if meant is not None:
            return _meant(tokens, kinds, position, end, meant)
    if character == ";":
        return _dropped(tokens, position, position + 1, "statements need no sign at their end")
    if character.isspace() or character in "\u200b\u2060\ufeff":
        return _blank(tokens, position)
    if _WORD.match(character):
        return _word(tokens, kinds, position)
    normal = unicodedata.normalize("NFKC", character)
    if normal != character and kinds.of(normal) is not None:
        return _meant(tokens, kinds, position, position + 1, normal)
    run = HIDDEN.match(character) or _FOREIGN.match(text, position, stop)
    end = position + 1
    while end < stop and text[end] == character:
        end += 1
    if run and run.end() > end and not HIDDEN.match(character):
        end = run.end()
    tokens.report(_diagnostic(tokens, position, end, help=_advice(character)))
    tokens.add(kinds.wrong, position, end)
    return end


def _advice(character: str) -> str | None:
    if character == "@":
        return "matrix products and decorators are not in the language"
    if character == "?":
        return "a choice is written: if condition then a else b"
    if character == "\\":
        return "lines need no sign to go on: newlines mean nothing"
    if character in "'`“”„‘’«»":
        return 'text stands between double quotes: "..."'
    return None


def _diagnostic(
    tokens: Tokens,
    start: int,
    end: int,
    *,
    meant: str | None = None,
    help: str | None = None,
    safe: bool = False,
) -> Diagnostic:
    """E0103 for the first character of a range; with `meant`, a fix that puts it there."""
    span = Span(tokens.source, start, end)
    shown = describe(tokens.source.text[start])
    fixes: tuple[Fix, ...] = ()
    if meant is not None:
        title = f"write `{meant}`" if meant.strip() else "remove it" if not meant else "a blank"
        fixes = (Fix(title, (Edit(span, meant),), safe),)
        help = help or (f"write `{meant}`" if meant.strip() else None)
    message = f"{shown} is no character of the language"
    return Diagnostic("E0103", message, (Label(span),), (), help, fixes)


def _meant(tokens: Tokens, kinds: Kinds, start: int, end: int, meant: str) -> int:
    """A sign for which the language has its own."""
    written = tokens.source.text[start:end]
    report = _diagnostic(tokens, start, end, meant=meant, safe=not written.isascii())
    if written.isascii():
        report = Diagnostic(
            "E0103",
            f"`{written}` is no sign of the language",
            report.labels,
            (),
            report.help,
            report.fixes,
        )
    tokens.report(report)
    kind = kinds.of(meant)
    tokens.add(kinds.wrong if kind is None else kind, start, end, meant)
    return end


def _dropped(tokens: Tokens, start: int, end: int, help: str) -> int:
    tokens.report(_diagnostic(tokens, start, end, meant="", help=help, safe=True))
    return end


def _blank(tokens: Tokens, position: int) -> int:
    """A blank that is none of the language's: all of its kind are one mistake, see `finish`."""
    tokens.foreign.setdefault(tokens.source.text[position], []).append(position)
    return position + 1


def _closing_quote(text: str, position: int, stop: int) -> int | None:
    """Where the text in foreign quotes ends on its line."""
    for at in range(position + 1, min(stop, position + 200)):
        if text[at] in QUOTES[text[position]]:
            return at
        if text[at] in "\r\n":
            return None
    return None


def _quoted(tokens: Tokens, kinds: Kinds, start: int, close: int) -> int:
    """Text in quotes of another kind, read as a string."""
    source = tokens.source
    opening, closing = Span(source, start, start + 1), Span(source, close, close + 1)
    fix = Fix("double quotes", (Edit(opening, '"'), Edit(closing, '"')), True)
    shown = describe(source.text[start])
    tokens.report(
        Diagnostic(
            "E0103",
            f"{shown} is no quote of the language",
            (Label(Span(source, start, close + 1)),),
            (),
            'text stands between double quotes: "..."',
            (fix,),
        )
    )
    hidden = hidden_characters(tokens, start, close + 1)
    tokens.add(kinds.wrong if hidden else kinds.string, start, close + 1)
    return close + 1


def _word(tokens: Tokens, kinds: Kinds, position: int) -> int:
    """A word with letters or digits outside ASCII; every occurrence of it is one mistake."""
    source, stop = tokens.source, tokens.end
    start = position
    if len(tokens) and tokens.ends[-1] == position:
        before = source.text[tokens.starts[-1] : position]
        if _ASCII_WORD.fullmatch(before):
            start = tokens.starts[-1]
            tokens.pop()
    match = _WORD.match(source.text, position, stop)
    end = match.end() if match else position + 1
    word = source.text[start:end]
    ascii_word, _ = _transcribed(word)
    kind = kinds.of(ascii_word)
    tokens.foreign.setdefault(word, []).append(start)
    tokens.add(kinds.wrong if kind is None else kind, start, end, ascii_word)
    return end


def finish(tokens: Tokens) -> None:
    """Report words and blanks outside ASCII, each once however often it occurs."""
    for text, places in tokens.foreign.items():
        if tokens.stopped:
            return
        if _WORD.fullmatch(text):
            meant, sure = _transcribed(text)
            foreign = next(c for c in text if not c.isascii())
            message = f"`{text}` holds {describe(foreign)}: names are of A-Z, a-z, 0-9 and _"
            help = f"write `{meant}`" if sure else "write it in Latin letters"
        else:
            foreign, sure = text, True
            meant = "" if text in "\u200b\u2060\ufeff" else " "
            message = f"{describe(text)} is no blank of the language"
            help = "remove it" if not meant else "write an ordinary blank"
        at = places[0] + text.index(foreign)
        edits = [Edit(Span(tokens.source, p, p + len(text)), meant) for p in places[:MAX_EDITS]]
        notes = (f"it stands at {len(places):,} places",) if len(places) > 1 else ()
        mended = sure and len(places) <= MAX_EDITS
        fixes = (Fix(help, tuple(edits), not meant.strip()),) if mended else ()
        span = Span(tokens.source, at, at + 1)
        tokens.report(Diagnostic("E0103", message, (Label(span),), notes, help, fixes))


def _transcribed(word: str) -> tuple[str, bool]:
    """(an ASCII word for it, whether a reader would write it so)."""
    plain = unicodedata.normalize("NFKD", word.translate(LOOKALIKES))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    if plain.isascii():
        return plain, True
    return "_" + "".join(c if c.isascii() else f"{ord(c):x}" for c in plain), False


def _unterminated(tokens: Tokens, kinds: Kinds, start: int) -> int:
    """A string without an end on its line: E0104. Brackets that it swallowed stay brackets."""
    text, source = tokens.source.text, tokens.source
    end = min(
        (at for c in "\r\n" if (at := text.find(c, start, tokens.end)) >= 0), default=tokens.end
    )
    last = len(text[start:end].rstrip()) + start
    tokens.report(
        Diagnostic(
            "E0104",
            "a string does not end on its line",
            (Label(Span(source, start, max(last, start + 1)), 'no `"` follows on this line'),),
            (),
            'close it with `"`',
        )
    )
    tokens.add(kinds.wrong, start, start + 1)
    if end - start < 1000:
        # Those that are balanced are text; the others probably belong to the code around.
        unmatched: list[int] = []
        for at in range(start + 1, end):
            if text[at] in "([{":
                unmatched.append(at)
            elif text[at] in _BRACKETS:
                if unmatched and text[unmatched[-1]] == _BRACKETS[text[at]]:
                    unmatched.pop()
                else:
                    unmatched.append(at)
        for at in unmatched:
            tokens.add(kinds.of(text[at]) or kinds.wrong, at, at + 1)
    hidden_characters(tokens, start, end)
    return end


def hidden_characters(tokens: Tokens, start: int, end: int) -> bool:
    """Report what hides in a comment or a string; whether anything does."""
    found = False
    for match in HIDDEN.finditer(tokens.source.text, start, end):
        found = True
        if tokens.stopped:
            break
        span = Span(tokens.source, match.start(), match.end())
        tokens.report(
            Diagnostic(
                "E0103",
                f"{describe(match.group())} must not stand in a text: it would not be seen",
                (Label(span),),
                (),
                "remove it",
                (Fix("remove it", (Edit(span, ""),)),),
            )
        )
    return found


def wrong_number(tokens: Tokens, start: int, end: int, reason: str) -> None:
    """Report a number that cannot be read: E0106."""
    word = tokens.source.text[start:end]
    shown = word if len(word) <= 40 else f"{word[:16]}...{word[-8:]}"
    help = None
    fixes: tuple[Fix, ...] = ()
    span = Span(tokens.source, start, end)
    meant = _number_meant(word)
    if meant is not None:
        help = f"write `{meant}`"
        fixes = (Fix(help, (Edit(span, meant),)),)
    elif re.fullmatch(r"[0-9][0-9_]*[A-Za-z_]\w*", word):
        reason = reason or "a name does not start with a digit, and a suffix is one of K, M, G, T"
    label = Label(
        span, reason or "digits, a point, an exponent and one of K, M, G, T make a number"
    )
    message = f"`{shown}` is no number that can be read"
    tokens.report(Diagnostic("E0106", message, (label,), (), help, fixes))


def _number_meant(word: str) -> str | None:
    """What was probably meant by `.5`, `5.`, `1__000`, `3_`, `64k` and hexadecimal numbers."""
    if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,12}", word):
        return str(int(word, 16))
    if re.fullmatch(r"\.[0-9]+", word):
        return "0" + word
    if re.fullmatch(r"[0-9_]+\.", word):
        return word + "0"
    if re.fullmatch(r"[0-9][0-9_.]*[kmgt]", word):
        return word[:-1] + word[-1].upper()
    if len(word) < 40 and re.fullmatch(r"[0-9][0-9_]*", word):
        return re.sub("_+", "_", word).strip("_")
    return None
