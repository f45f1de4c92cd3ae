"""The page in a real browser, on the running demo."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

Opened = Callable[..., Page]

pytestmark = [pytest.mark.browser]

FIGURES = [
    f"{entity}-{figure}_hour"
    for entity in ("L1", "L2", "demo")
    for figure in (
        "carbon_intensity",
        "scope1_intensity",
        "scope2_intensity",
        "dc_specific_energy",
        "ac_specific_energy",
    )
]


def number(page: Page, name: str) -> float:
    return float(page.get_by_test_id(name).inner_text().replace(",", ""))


COLOURS = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  return new Set(new Uint32Array(data.buffer)).size
}"""


def test_live_figures_appear_and_change(open_page: Opened) -> None:
    page = open_page()
    for name in FIGURES:
        expect(page.get_by_test_id(name)).to_have_text(re.compile(r"^[\d,]+(\.\d+)?$"))
    assert 5 < number(page, "L2-carbon_intensity_hour") < 30
    assert number(page, "demo-carbon_intensity_hour") == pytest.approx(
        number(page, "demo-scope1_intensity_hour") + number(page, "demo-scope2_intensity_hour"),
        abs=0.2,
    )
    assert 11_000 < number(page, "L2-dc_specific_energy_hour") < 15_000
    assert number(page, "L2-ac_specific_energy_hour") > number(page, "L2-dc_specific_energy_hour")
    current = page.get_by_test_id("L1-current").inner_text()
    expect(page.get_by_test_id("L1-current")).not_to_have_text(current, timeout=10_000)
    expect(page.get_by_test_id("link")).to_have_text("Live")


def test_doubt_stands_beside_the_figures(open_page: Opened) -> None:
    page = open_page()
    doubt = page.get_by_test_id("L1-dc_specific_energy_hour-interval")
    expect(doubt).to_have_text(re.compile(r"^± [\d,]+$"), timeout=10_000)
    expect(page.get_by_test_id("demo-carbon_intensity_hour-interval")).to_contain_text("±")
    button = page.get_by_role("button").filter(has=doubt)
    expect(button).to_have_attribute("title", re.compile("^± .* kWh/t: .* 95 %"))
    button.click()
    budget = page.get_by_test_id("budget")
    expect(budget.get_by_role("row", name="configured current efficiency")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_test_id("map").focus()
    page.keyboard.press("Enter")
    voltage = (
        page.get_by_test_id("cell-panel")
        .get_by_role("definition")
        .filter(has=page.get_by_test_id("figure-voltage"))
    )
    expect(voltage).to_have_text(re.compile(r"^\d\.\d{3} ± 0\.005 V$"))  # as the plant file says


def test_the_meters_of_the_last_minutes(open_page: Opened) -> None:
    page = open_page()
    page.get_by_role("link", name="Meters").click()
    meters = page.get_by_test_id("meters")
    meters.get_by_test_id("period").select_option("-10m")
    rectifier = meters.get_by_test_id("register").get_by_role("row", name="L1-R")
    expect(rectifier).to_contain_text("0.5S")
    expect(rectifier).to_contain_text(re.compile(r"valid, \d+ d left|due in|expired"))
    cells = meters.get_by_test_id("coverage").get_by_role("row", name="Line 1 · Section A")
    expect(cells).to_contain_text(re.compile(r"\d+ %$"), timeout=10_000)
    expect(meters.get_by_test_id("balances")).to_contain_text("L1")
    expect(meters.get_by_test_id("verdict")).not_to_be_empty()


def test_both_languages(open_page: Opened) -> None:
    page = open_page("?lang=zh")
    expect(page.locator("h1")).to_have_text("示范铝厂")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.get_by_role("region", name="电解车间")).to_be_visible()
    expect(
        page.get_by_role("button", name="确认").or_(page.get_by_text("无未处理报警"))
    ).not_to_have_count(0)
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator("h1")).to_have_text("Demo smelter")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(page.url.split("?")[0])  # remembered, without ?lang=
    expect(page.locator("h1")).to_have_text("Demo smelter")


def test_a_cell_is_chosen_by_keyboard(open_page: Opened) -> None:
    page = open_page()
    page.get_by_test_id("map").focus()
    expect(page.locator("#focused-cell")).to_contain_text("Cell L1-001")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#focused-cell")).to_contain_text("Cell L1-002")
    page.keyboard.press("ArrowDown")  # the current comes back along the lower row
    expect(page.locator("#focused-cell")).to_contain_text("Cell L1-023")
    page.keyboard.press("Enter")
    panel = page.get_by_test_id("cell-panel")
    expect(panel.get_by_role("heading", name="Cell L1-023")).to_be_visible()
    expect(panel.get_by_test_id("figure-voltage")).to_have_text(re.compile(r"^\d+\.\d+$"))
    expect(panel.locator("canvas")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_a_cell_is_chosen_by_pointer_and_its_figure_explained(open_page: Opened) -> None:
    page = open_page()
    canvas = page.get_by_test_id("map").locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    # among the first line's upper row, which begins right of the line's name
    canvas.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.12})
    panel = page.get_by_test_id("cell-panel")
    expect(panel.get_by_role("heading", name=re.compile(r"^Cell L1-0"))).to_be_visible()
    panel.get_by_test_id("figure-dc_specific_energy_hour").click()
    explained = page.get_by_test_id("explain")
    for word in ("Formula", "Method", "Inputs", "Factors", "constant.faraday"):
        expect(explained.get_by_text(word, exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(explained).to_have_count(0)
    expect(panel).to_be_visible()


def test_the_map_is_drawn_and_recoloured(open_page: Opened) -> None:
    page = open_page()
    canvas = page.get_by_test_id("map").locator("canvas")
    page.wait_for_timeout(1500)
    assert canvas.evaluate(COLOURS) > 20, "the map is blank"
    before = canvas.screenshot()
    page.get_by_test_id("quantity").select_option("anode_effects_day")
    page.wait_for_timeout(500)
    assert canvas.screenshot() != before
    page.reload()
    expect(page.get_by_test_id("quantity")).to_have_value("anode_effects_day")


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1024, 768), (3840, 2160)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_wider_than_the_window(
    open_page: Opened, width: int, height: int, language: str
) -> None:
    page = open_page(f"?lang={language}", width, height)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        board = page.get_by_role("table").first
        assert board.evaluate("e => e.scrollWidth <= e.parentElement.clientWidth")
        page.get_by_test_id("map").focus()
        page.keyboard.press("Enter")  # and once more with a cell's panel
        page.get_by_test_id("cell-panel").wait_for()


def test_an_alarm_is_acknowledged(open_page: Opened) -> None:
    """The demo's first anode effect comes within the first minute."""
    page = open_page()
    waiting = page.get_by_role("button", name=re.compile("^Acknowledge: L1-009"))
    expect(waiting.first).to_be_visible(timeout=90_000)
    expect(page).to_have_title(re.compile(r"^\(\d+\) potline"))
    row = page.locator("li").filter(has=waiting).first.get_attribute("data-test")
    assert row is not None
    waiting.first.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Your name").fill("Li Wei")
    page.get_by_label("Comment").fill("feeder is being cleared")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # in the name's field: sends
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_test_id(row).get_by_role("button", name="Acknowledge")).to_have_count(0)
    again = open_page("?lang=zh")  # for everyone, not in this browser only
    told = again.get_by_test_id(row)
    if told.count():  # it is gone when the effect was over before
        expect(told).to_contain_text("Li Wei 已确认")
        expect(told).to_contain_text("feeder is being cleared")
