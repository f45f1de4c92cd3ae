"""The docs of the figures are the table."""

from __future__ import annotations

import re

import pytest

from analytics.beat.assessment import SCOPES
from analytics.table.examples import examples, readings, table
from analytics.table.figure_page import address, base
from analytics.table.page import DOCS, MARKER, figures_page, pages
from plant.factors import shipped_factors

FOLDER = DOCS / "figures"
REMEDY = "run python -m analytics.table.page"
PAGES = pages()


def test_the_index_is_the_table():
    page = (DOCS / "figures.md").read_text("utf-8")
    assert page.partition(MARKER)[2].strip() == figures_page().strip(), REMEDY


def test_there_is_a_page_for_every_figure_and_no_other():
    assert {file.name for file in FOLDER.iterdir()} == set(PAGES), REMEDY


def test_every_page_is_made_from_the_table():
    for name, text in PAGES.items():
        assert (FOLDER / name).read_text("utf-8") == text, f"{name}: {REMEDY}"


def test_every_link_leads_somewhere():
    for page in [DOCS / "figures.md", *FOLDER.iterdir()]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).resolve().exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_page_tells_all_of_its_rows(scope):
    for variant, rows in table()[scope].items():
        text = PAGES[address(scope, variant)].replace("\\|", "|")
        row, example = rows[-1], examples()[scope, variant]
        section = text.partition(f"## `{variant}`\n")[2].partition("\n## ")[0]
        for part in (row.formula, row.unit, row.method, row.source, example.value):
            assert part in section, (variant, part)
        for name in row.inputs:
            plain = re.sub(r"_(minute|hour|shift|day)$", "_{w}", name.rpartition(".")[2])
            assert plain in section, (variant, name)
        assert "**Doubt.**" in section
        assert "{" not in text.replace("{w}", ""), variant


def test_what_is_unverified_says_so():
    doubtful = [f"`{f.name}`" for f in shipped_factors().values() if f.certainty == "unverified"]
    for name, text in PAGES.items():
        for factor in doubtful:
            if factor in text:
                assert f"{factor.strip('`')} is unverified" in text, name


def test_the_first_figure_of_a_page_says_what_it_is():
    told = set()
    for (scope, variant), example in examples().items():
        page = scope, base(variant)
        assert example.what or page in told, page
        told.add(page)


def test_every_reading_of_a_case_belongs_to_some_example():
    """No reading stands there that no page shows."""
    shown = "".join(PAGES.values())
    for case in ("day", "drift", "gap"):
        for tag in readings(case):
            assert f"`{tag}`" in shown, (case, tag)
