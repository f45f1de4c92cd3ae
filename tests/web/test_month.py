"""The page over a month: the book, entries, low-efficiency cells, restatements."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from web.month import BAD_CELL

from api.pair_status import PairStatus

Opened = Callable[..., Page]

pytestmark = [pytest.mark.browser]


@pytest.fixture
def page_url(month: Any) -> str:
    return str(month.url)


def number(text: str) -> float:
    found = re.search(r"[−+]?[\d,]+(\.\d+)?", text)
    assert found, text
    return float(found[0].replace(",", "").replace("−", "-"))


def bad_cell(page: Page, tab: str) -> Locator:
    """A tab of the panel of the cell that is not like the others, opened from the list."""
    page.get_by_role("link").nth(1).click()
    page.get_by_test_id("low-efficiency").get_by_role("button", name=BAD_CELL).click()
    panel = page.get_by_test_id("cell-panel")
    panel.get_by_test_id(f"tab-{tab}").click()
    return panel


def test_the_book_of_a_cell(open_page: Opened) -> None:
    panel = bad_cell(open_page(), "book")
    expect(panel.get_by_test_id("book-current_efficiency_30d")).to_contain_text(
        re.compile(r"93\.\d ± 1\.9 %")
    )
    specific = panel.get_by_test_id("book-dc_specific_energy_30d")
    expect(specific).to_contain_text("13,131 kWh/t")  # 4.12 V at 93.5 %, by hand 13 131
    specific.get_by_text("DC specific energy").click()
    expect(specific).to_contain_text("V / (M/(3F) · CE)")
    expect(panel.get_by_test_id("book-superheat")).to_contain_text(" K")


def test_the_voltage_breakdown_adds_up(open_page: Opened) -> None:
    panel = bad_cell(open_page("?lang=zh"), "book")
    rows = panel.locator("tr", has_text=" V")
    expect(rows).to_have_count(10)  # nine terms and their sum
    volts = [number(text) for text in panel.locator("tr td:nth-child(3)").all_inner_texts()]
    assert sum(volts[:-1]) == pytest.approx(volts[-1], abs=0.006)
    assert volts[-1] == pytest.approx(4.12, abs=0.001)
    widths = (
        panel.get_by_test_id("breakdown")
        .locator("span")
        .evaluate_all("spans => spans.map(s => s.getBoundingClientRect().width)")
    )
    assert widths[0] / sum(widths) == pytest.approx(volts[0] / volts[-1], abs=0.03)
    expect(panel.get_by_text("电压平衡")).to_be_visible()


def test_lines_show_levels_and_pfc_by_both_methods(open_page: Opened) -> None:
    page = open_page()
    page.get_by_role("link", name="Lines").click()
    card = page.get_by_test_id("line-L1")
    level = card.get_by_role("row", name=re.compile(r"^GB 21346 level.* level 2 level 2"))
    expect(level).to_have_count(1)  # today as told, and 13,000 kWh/t over 30 days
    expect(card.get_by_role("row", name="PFC, slope method")).to_contain_text("1.250")
    expect(card.get_by_role("row", name="PFC, overvoltage method")).to_be_visible()
    expect(card.get_by_role("row", name="Why they differ")).to_contain_text("no anode effect")
    low = page.get_by_test_id("low-efficiency")
    expect(low.get_by_role("row")).to_have_count(2)
    expect(low).to_contain_text("voltage far above the set voltage")
    page.get_by_role("button", name="中文").click()
    expect(low).to_contain_text("槽电压高于设定值")


def test_what_another_set_voltage_would_do(open_page: Opened) -> None:
    panel = bad_cell(open_page(), "what_if")
    answer = panel.get_by_test_id("what-if")
    expect(answer).to_contain_text("−31.9 ± 0.7 kWh/t")  # 2979.98 · 0.010 V / 0.935
    expect(answer).to_contain_text("−0.29 mm")
    slider = panel.get_by_test_id("what-if-slider")
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    expect(panel.get_by_test_id("what-if-change")).to_have_text("+20 mV")
    expect(answer).to_contain_text("+63.7")


def test_a_value_is_entered_and_corrected(open_page: Opened, month: Any) -> None:
    page = open_page()
    panel = bad_cell(page, "entries")
    form = panel.get_by_test_id("entry-form")
    form.get_by_label("Value of").select_option("metal_level")
    form.get_by_label("Value", exact=True).fill("225")
    form.get_by_label("Unit").select_option("mm")
    form.get_by_label("Sample taken").fill("2026-01-05T06:30")
    form.get_by_label("Your name").fill("Li Wei")
    form.get_by_role("button", name="Enter").click()
    expect(form).to_contain_text("Entered.")
    kept = month.entries.history([f"{BAD_CELL}.metal_level"], 0, 2**62, 100)
    entry = next(row for row in kept if row.who == "Li Wei")
    assert entry.value == pytest.approx(22.5)
    zone = month.plant.site.zone
    assert datetime.fromtimestamp(entry.time / 1e9, zone).isoformat().startswith("2026-01-05T06:30")

    form.get_by_label("Value", exact=True).fill("9000")
    form.get_by_role("button", name="Enter").click()
    expect(form.get_by_role("alert")).to_contain_text("outside 0 to 100 cm")

    listed = panel.get_by_test_id("entries")
    first = listed.get_by_role("listitem").filter(has_text="Bath temperature").first
    first.get_by_role("button", name=re.compile("^Correct: Bath temperature")).click()
    expect(form.get_by_label("Value", exact=True)).to_have_value("972")
    form.get_by_label("Value", exact=True).fill("968.5")
    form.get_by_role("button", name="Enter").click()
    bath = listed.get_by_role("listitem").filter(has_text="Bath temperature")
    expect(bath).to_have_count(2)
    expect(bath.first).to_contain_text("968.5 °C")
    expect(bath.last).to_contain_text("corrected")


def test_what_was_computed_again_and_what_it_was_before(open_page: Opened, month: Any) -> None:
    page = open_page()
    page.get_by_role("link", name="Changes").click()
    changes = page.get_by_test_id("changes")
    row = changes.get_by_test_id("restatement-1")
    expect(row).to_contain_text("meter L1-R corrected")
    expect(row).to_contain_text("line: AC specific energy, this hour 360 values")
    changes.get_by_test_id("period").select_option("-24h")
    expect(row).to_have_count(0)
    page.go_back()
    page.get_by_test_id("demo-ac_specific_energy_hour").click()
    at = datetime.fromtimestamp(month.restated / 1e9, month.plant.site.zone)
    page.get_by_test_id("explain-at").fill(at.strftime("%Y-%m-%dT%H:%M"))
    explained = page.get_by_test_id("explain")
    expect(explained).to_contain_text("12,999")
    expect(explained.get_by_test_id("superseded")).to_contain_text("13,111 kWh/t")
    expect(explained.get_by_test_id("superseded")).to_contain_text("meter L1-R corrected")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 768)])
def test_no_view_is_wider_than_the_window(
    open_page: Opened, width: int, height: int, language: str
) -> None:
    page = open_page(f"?lang={language}", width, height)
    panel = bad_cell(page, "book")
    for tab in ("book", "what_if", "entries", "live"):
        panel.get_by_test_id(f"tab-{tab}").click()
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    for view in ("meters", "changes", "lines"):
        page.locator(f"nav a[href='#{view}']").click()
        page.get_by_test_id(view).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_of_a_pair_the_page_tells_which_collector_it_is_and_how_the_other_one_is(
    open_page: Opened, month: Any
) -> None:
    page = open_page()
    expect(page.get_by_test_id("map")).to_be_visible()
    expect(page.get_by_test_id("pair")).to_have_count(0)
    well = PairStatus("a", "standby", 0, "b has the lease", 3, 0, "b", True, 0.4, "", 0, 0)
    for status, said in (
        (well, "Collector a standby; b active"),
        (replace(well, peer_age_s=65.0), "Collector a standby; nothing heard of b for 1 min 5 s"),
        (replace(well, trouble="the secrets differ"), "Collector a standby; the secrets differ"),
    ):
        month.pair = status
        expect(page.get_by_test_id("pair")).to_have_text(said, timeout=15_000)
    month.pair = None
    expect(page.get_by_test_id("pair")).to_have_count(0, timeout=15_000)
