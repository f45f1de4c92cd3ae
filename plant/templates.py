"""Templates: text with {placeholders}."""

from __future__ import annotations

from collections.abc import Iterable
from string import Formatter

from plant.suggest import did_you_mean


class TemplateError(ValueError):
    """A template that cannot be filled; the text says why and the remedy."""


def placeholders(template: str) -> set[str]:
    """Names between braces. TemplateError when the braces do not match or hold more than a name."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        raise TemplateError(
            f'"{template}" has braces that do not match; write {{name}}, or {{{{ for a plain brace'
        ) from None
    names = set()
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise TemplateError(
                f'"{template}" has a placeholder that is not a plain name; write one like {{line}}'
            )
        names.add(name)
    return names


def check(template: str, known: Iterable[str]) -> None:
    """TemplateError when a placeholder is not known."""
    words = list(known)
    for name in sorted(placeholders(template) - set(words)):
        raise TemplateError(
            f'nothing fills {{{name}}} in "{template}"; {did_you_mean(name, words)}'
        )
