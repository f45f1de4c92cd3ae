"""Remedies for words that are not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    folded = {w.casefold(): w for w in known}
    wanted = word.casefold()
    begun = [f for f in folded if len(wanted) > 2 and f.startswith(wanted)]
    close = get_close_matches(wanted, folded, n=1, cutoff=0.6) or begun
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], show: int = 12) -> str:
    """`did you mean "x"?` when one is close, else the list of what there is."""
    words = list(known)
    if close := closest(word, words):
        return f'did you mean "{close}"?'
    if not words:
        return "there is none"
    more = f" and {len(words) - show} more" if len(words) > show else ""
    return f"use one of {', '.join(words[:show])}{more}"
