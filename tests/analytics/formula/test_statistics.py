"""Charts, baseline and alarm load: certified and published results, slow twins, errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate
from analytics.studies import statistics
from analytics.studies.statistics import ols, student_p, student_quantile, tabular_cusum
from plant.factors import shipped_factors


def compute(name, **given):
    return evaluate(name, given, shipped_factors()).results


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        compute(name, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


LONGLEY = """60323 83.0 234289 2356 1590 107608 1947
61122 88.5 259426 2325 1456 108632 1948
60171 88.2 258054 3682 1616 109773 1949
61187 89.5 284599 3351 1650 110929 1950
63221 96.2 328975 2099 3099 112075 1951
63639 98.1 346999 1932 3594 113270 1952
64989 99.0 365385 1870 3547 115094 1953
63761 100.0 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962"""

MONTGOMERY = [
    9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40,
    10.08, 9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62,
    11.31, 10.52,
]  # fmt: skip


@pytest.fixture
def longley(tmp_path):
    names = "employed,deflator,gnp,unemployed,armed,population,year"
    path = tmp_path / "longley.csv"
    path.write_text("\n".join([names, *(row.replace(" ", ",") for row in LONGLEY.splitlines())]))
    return str(path)


def test_baseline_gives_the_certified_values_of_nist(longley):
    # NIST Statistical Reference Datasets, Longley: of higher difficulty
    terms = "deflator,gnp,unemployed,armed,population,year"
    found = compute("baseline", file=longley, column="employed", terms=terms)
    certified = {
        "intercept": (-3482258.63459582, 890420.383607373),
        "deflator": (15.0618722713733, 84.9149257747669),
        "gnp": (-0.358191792925910e-01, 0.334910077722432e-01),
        "unemployed": (-2.02022980381683, 0.488399681651699),
        "armed": (-1.03322686717359, 0.214274163161675),
        "population": (-0.511041056535807e-01, 0.226073200069370),
        "year": (1829.15146461355, 455.478499142212),
    }
    for name, (coefficient, error) in certified.items():
        assert found["coefficients"][name] == pytest.approx(coefficient, rel=1e-8)
        assert found["standard_errors"][name] == pytest.approx(error, rel=1e-8)
    assert found["residual_sd"] == pytest.approx(304.854073561965, rel=1e-10)
    assert found["r2"] == pytest.approx(0.995479004577296, rel=1e-12)
    assert found["cv_rmse_percent"] == pytest.approx(100 * 304.854073561965 / 65317, rel=1e-9)
    # published with these data: Durbin-Watson 2.559, p of the deflator 0.8631, of the year 0.00304
    assert found["durbin_watson"] == pytest.approx(2.559, abs=5e-4)
    assert found["p_values"]["deflator"] == pytest.approx(0.8631, abs=5e-5)
    assert found["p_values"]["year"] == pytest.approx(0.00304, abs=5e-6)
    assert found["n"] == 16


def test_baseline_warns_as_iso_50006_practice():
    rng = np.random.default_rng(7)
    noise = rng.normal(size=8).tolist()
    found = evaluate(
        "baseline",
        {"values": noise, "terms": "x", "term_values": list(range(8))},
        shipped_factors(),
    )
    said = " ".join(found.notes)
    assert "R2" in said
    assert "x: p =" in said
    assert "points are few" in said


def test_baseline_leaves_out_rows_with_gaps_and_says_so(tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("y,x\n1,1\n3,2\n,3\n7,4\n9,5\n11,\n")
    found = evaluate(
        "baseline", {"file": str(path), "column": "y", "terms": "x"}, shipped_factors()
    )
    assert found.results["n"] == 4
    assert found.results["coefficients"]["x"] == pytest.approx(2)
    assert "2 of 6 rows" in found.notes[0]


def test_baseline_refuses_what_has_no_answer(longley):
    few = "deflator,gnp"
    assert "too few" in refused("baseline", values="1,2,3", terms=few, term_values="1,2,3,1,4,9")
    assert "dependent" in refused(
        "baseline", values="1,2,4,3,5", terms="a,b", term_values="1,2,3,4,5,2,4,6,8,10"
    )
    assert "does not vary" in refused("baseline", values="1,2,4", terms="a", term_values="7,7,7")
    assert "no column gpn" in refused("baseline", file=longley, column="employed", terms="gpn")
    assert "column is missing" in refused("baseline", file=longley, terms="gnp")
    assert "cannot be read" in refused("baseline", file="nowhere.csv", column="y", terms="x")
    assert "each name once" in refused("baseline", file=longley, column="gnp", terms="year,year")
    assert "term_values has 2" in refused("baseline", values="1,2,3", terms="x", term_values="1,2")
    assert "file and column" in refused("baseline", terms="x")


def test_baseline_refuses_names_and_numbers_that_mean_two_things(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("day,MWh,intercept\n1,5,1\n2,6,3\n3,8,2\n4,9,5\n")
    days = {"file": str(path), "column": "MWh"}
    assert "another name" in refused("baseline", **days, terms="day,intercept")
    assert "MWh is what they are to explain" in refused("baseline", **days, terms="day,MWh")
    assert "leave it out with a file" in refused("baseline", **days, terms="day", term_values="1,2")


def baseline_of(y, **terms):
    numbers = [float(x) for column in terms.values() for x in column]
    asked = {"values": list(y), "terms": ",".join(terms), "term_values": numbers}
    return evaluate("baseline", asked, shipped_factors())


def test_baseline_of_what_does_not_vary_or_has_no_mean():
    same = refused("baseline", values="5,5,5,5", terms="t", term_values="1,2,3,4")
    assert "values does not vary" in same
    found = baseline_of([-3, -1, 1, 3], t=[1, 2, 3, 4])
    assert found.results["coefficients"] == pytest.approx({"intercept": -5, "t": 2})
    assert found.results["cv_rmse_percent"] is None
    assert any("no CV(RMSE)" in note for note in found.notes)
    shifted = baseline_of([97, 99, 101, 104], t=[1, 2, 3, 4])
    assert shifted.results["cv_rmse_percent"] > 0


def test_baseline_names_terms_that_tell_the_same():
    t = np.arange(1.0, 13.0)
    wobble = 1e-3 * np.resize([0, 1, -1, 1, 0, -1], 12)
    other = np.resize([4.0, 1, 3], 12)
    y = 10 + 2 * t + np.resize([0.1, -0.2, 0.1, 0.05], 12)
    (note,) = [
        n for n in baseline_of(y, t=t, t2=2 * t + 1 + wobble, o=other).notes if "inflat" in n
    ]
    assert "t (" in note
    assert "t2 (" in note
    assert "o (" not in note
    # two terms with the correlation r have the inflation 1/(1 − r²): 10 at r = 0.9487
    a, b = np.resize([1.0, -1, 1, -1], 12), np.resize([1.0, 1, -1, -1], 12)
    for r, said in ((0.947, False), (0.951, True)):
        notes = baseline_of(y, a=a, b=r * a + math.sqrt(1 - r * r) * b).notes
        assert any("inflation" in note for note in notes) == said


def test_ar1_residuals_widen_the_standard_errors():
    rng = np.random.default_rng(3)
    n, rho = 4000, 0.6
    noise = np.zeros(n)
    for i in range(1, n):
        noise[i] = rho * noise[i - 1] + rng.normal()
    fit = ols(noise, rng.normal(size=(n, 1)))
    assert fit.autocorrelation == pytest.approx(rho, abs=0.04)
    assert fit.durbin_watson == pytest.approx(2 * (1 - rho), abs=0.08)
    # the intercept is then the mean of an AR(1) process: its error is √((1 + ρ)/(1 − ρ)) = 2 wider
    assert fit.adjusted_standard_errors[0] / fit.standard_errors[0] == pytest.approx(2, abs=0.1)
    white = ols(np.array([1.0, -1, 1, -1, 1, -1]), np.arange(6.0)[:, None])
    np.testing.assert_array_equal(white.adjusted_standard_errors, white.standard_errors)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=40),
    st.floats(-100, 100),
    st.floats(-100, 100),
)
def test_ols_finds_an_exact_line_and_leaves_residuals_that_sum_to_zero(x, slope, start):
    x = np.array(x) + np.arange(len(x)) * 1000.0
    exact = ols(start + slope * x, x[:, None])
    np.testing.assert_allclose(exact.predict(x[:, None]), start + slope * x, atol=1e-6)
    bent = ols(start + slope * x + np.cos(x), x[:, None])
    assert abs(bent.residuals.sum()) < 1e-7
    assert 0 <= bent.r2 <= 1 + 1e-12


def test_student():
    # table of Student's t, two-sided 5 %
    for freedom, t in ((1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)):
        assert student_p(t, freedom) == pytest.approx(0.05, abs=2e-4)
        assert student_quantile(0.95, freedom) == pytest.approx(t, abs=6e-4)
    assert student_p(0, 7) == 1
    assert student_p(1.959964, 100_000) == pytest.approx(0.05, abs=1e-5)
    assert math.isnan(student_p(math.nan, 5))


@given(st.floats(0.05, 0.999), st.integers(1, 200))
def test_student_quantile_is_the_inverse(confidence, freedom):
    t = student_quantile(confidence, freedom)
    assert student_p(t, freedom) == pytest.approx(1 - confidence, rel=1e-6, abs=1e-12)


def test_cusum_of_montgomery():
    # table 9.2: C+ passes 5 at period 29, after seven periods: the shift came after period 22
    found = compute("cusum", values=MONTGOMERY, mean=10, sigma=1)
    assert found["plus"][3:6] == pytest.approx([1.16, 2.82, 2.50])
    assert found["minus"][:3] == pytest.approx([0.05, 1.56, 1.77])
    assert found["plus"][28] == pytest.approx(5.28)
    assert found["signals"] == [28, 29]
    assert found["change_point"] == 22
    quiet = compute("cusum", values=MONTGOMERY[:20], mean=10, sigma=1)
    assert quiet["signals"] == []
    assert quiet["change_point"] is None


def slow_cusum(values, mean, sigma, k, h):
    plus, minus, up, down = [], [], 0.0, 0.0
    for x in values:
        if math.isnan(x):
            plus.append(math.nan)
            minus.append(math.nan)
            continue
        up = max(0.0, x - (mean + k * sigma) + up)
        down = max(0.0, (mean - k * sigma) - x + down)
        plus.append(up)
        minus.append(down)
    return (
        plus,
        minus,
        [i for i in range(len(values)) if plus[i] > h * sigma or minus[i] > h * sigma],
    )


SERIES = st.lists(st.one_of(st.floats(-5, 5), st.just(math.nan)), min_size=1, max_size=60)


@given(SERIES, st.floats(-1, 1), st.floats(0.1, 3), st.floats(0, 1), st.floats(0.5, 6))
def test_cusum_equals_its_slow_twin(values, mean, sigma, k, h):
    chart = tabular_cusum(np.array(values), mean, sigma, k, h)
    plus, minus, signals = slow_cusum(values, mean, sigma, k, h)
    np.testing.assert_array_equal(chart.plus, plus)
    np.testing.assert_array_equal(chart.minus, minus)
    assert chart.signals.tolist() == signals
    if signals:  # the sum that signals has grown from zero at the change point
        grown = chart.plus if chart.plus[signals[0]] > chart.limit else chart.minus
        run = grown[chart.change_point : signals[0] + 1]
        assert (run[~np.isnan(run)] > 0).all()
        before = [g for g in grown[: chart.change_point] if not math.isnan(g)]
        assert not before or before[-1] == 0


def test_cusum_run_length_in_control():
    # two-sided, k = 0.5, h = 4: a signal every 168 values on average (Montgomery, table 9.3)
    rng = np.random.default_rng(11)
    runs = []
    for _ in range(400):
        signals = tabular_cusum(rng.normal(size=2000), 0.0, 1.0, 0.5, 4.0).signals
        runs.append(signals[0] + 1 if len(signals) else 2000)
    assert np.mean(runs) == pytest.approx(168, rel=0.15)


def test_normal_course_from_the_first_values(tmp_path):
    values = 12500 + np.tile([-30.0, 10, 30, -10, 0], 20)
    values[60:] += 60
    path = tmp_path / "cell.csv"
    path.write_text("kWh_per_t\n" + "\n".join(f"{v:.3f}" for v in values))
    given_ = {"file": str(path), "column": "kWh_per_t"}
    found = evaluate("cusum", given_, shipped_factors())
    first = values[:50]
    assert found.results["mean"] == pytest.approx(first.mean(), abs=1e-3)
    assert found.results["sigma"] == pytest.approx(first.std(ddof=1), abs=1e-3)
    assert "first 50 values" in found.notes[0]
    assert found.results["change_point"] == 60
    assert 61 <= found.results["signals"][0] <= 63
    other = compute("cusum", **given_, reference=30)
    assert other["mean"] == pytest.approx(values[:30].mean(), abs=1e-3)
    assert "leave it out" in refused("cusum", **given_, mean=1, sigma=1, reference=30)
    assert "do not vary" in refused("cusum", values=[1.0] * 20)
    assert "reference = 9: there are 5 values" in refused("ewma", values="1,2,3,4,6", reference=9)
    for few in ("1,2,3,4", "7"):
        assert f"5 values at least, not by {few.count(',') + 1}; give both" in refused(
            "cusum", values=few
        )
    assert compute("cusum", values="7", mean=7, sigma=1)["plus"] == [0]


def test_autocorrelated_values_are_called_so():
    values = np.sin(np.arange(100) / 8).tolist()
    found = evaluate("ewma", {"values": values}, shipped_factors())
    assert any("autocorrelation" in note and "AR(1)" in note for note in found.notes)


def test_a_gap_in_a_file_is_null_and_text_an_error(tmp_path):
    path = tmp_path / "gap.csv"
    path.write_text("t,v\n1,3\n2,\n3,4\n", encoding="utf-8-sig")
    for name, series in (("cusum", "plus"), ("ewma", "ewma")):
        asked = {"file": str(path), "column": "v", "mean": 3, "sigma": 1}
        found = evaluate(name, asked, shipped_factors())
        assert [value is None for value in found.results[series]] == [False, True, False]
        assert found.notes == ["1 of 3 values are gaps: the chart stands still there"]


def charted(path, text, column="v"):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    asked = {"file": str(path), "column": column, "mean": 3, "sigma": 1}
    return evaluate("cusum", asked, shipped_factors())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t,v\n1,3\n2,off\n", "row 2: v = off: not a number"),
        ("t,v\n1,3\n2,nan\n", "row 2: v = nan: not a number"),
        ("t,v\n1,-inf\n", "row 1: v = -inf: not a number"),
        ("t,v\n1,1e400\n", "row 1: v = 1e400: must be a finite number"),
        ("t,v\n1,1_000\n", "write 1000: nothing groups the digits"),
        ("t,v\n1,１２\n", "row 1: v = １２: not a number"),
        ('t,v\n1,"0,5"\n', "write 0.5: the decimal sign is a point"),
        ("t,v\n1,3\n0,5,5\n", "row 2: 3 fields below a header of 2; write decimals with a point"),
        ("t;v\n1;0,5\n", "write 0.5: the decimal sign is a point"),
        ("t,v,v\n1,2,3\n", "has 2 columns v; rename"),
        ("t,v\n1,\n2\n", "column v is empty"),
        ("t,v\n", "no rows"),
        ("", "is empty; write a header"),
        ("\n \n", "is empty; write a header"),
        ('t,v\n1,3\n2,"4\n3,5\n', "row 2: unexpected end of data; look for a quote left open"),
        ('t,"v\n1,3\n', "the header: unexpected end of data"),
        ('"t\n1",w\n1,3\n', "has no column v; use one of t 1, w"),
        ("时间,v\n1,2\n".encode("gbk"), "not CSV in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_as_it_is_meant_is_one_line(tmp_path, text, said):
    with pytest.raises(FormulaError) as error:
        charted(tmp_path / "wrong.csv", text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "t,v\n1,4\n\n2\n3,5\n",
        "\ufeffv,t\r\n4,1\r\n,2\r\n5,3\r\n\r\n",
        "t;v\n1;4\n2;\n3;5",
        "t\tv\r1\t4\r2\t\r3\t5\r",
        '"a, b", v \n"x, y", 4 \n"x",""\n"x","5"\n',
        "v\n4\n\n5\n\n",
        "t,v\n1,4,\n2,,\n3,5,\n",
    ],
)
def test_files_as_they_are_written(tmp_path, text):
    found = charted(tmp_path / "right.csv", text)
    assert found.results["plus"] == [0.5, None, 2.0]
    assert "1 of 3 values are gaps" in found.notes[0]


def test_ewma_of_montgomery():
    # table 9.10 with λ = 0.1, L = 2.7: z1 = 9.945, z5 = 10.1253; limits 9.73, 10.27 at first
    found = compute("ewma", values=MONTGOMERY, mean=10, sigma=1)
    assert found["ewma"][0] == pytest.approx(9.945)
    assert found["ewma"][4] == pytest.approx(10.1253, abs=5e-5)
    assert (found["lower"][0], found["upper"][0]) == pytest.approx((9.73, 10.27))
    # the steady limits are 10 ± 2.7·√(0.1/1.9) = 9.38, 10.62; signals at periods 29 and 30
    assert found["upper"][-1] == pytest.approx(10.62, abs=5e-3)
    assert found["signals"] == [28, 29]


@given(SERIES, st.floats(0.01, 1))
def test_ewma_equals_its_slow_twin(values, weight):
    chart = statistics.ewma(np.array(values), 0.5, 2.0, weight, 3.0)
    level, seen = 0.5, 0
    for i, x in enumerate(values):
        if math.isnan(x):
            assert math.isnan(chart.averages[i])
            continue
        level = weight * x + (1 - weight) * level
        seen += 1
        # the variance summed term by term: λ²σ²Σ(1 − λ)^2j
        spread = sum(weight**2 * (1 - weight) ** (2 * j) for j in range(seen))
        assert chart.averages[i] == level
        assert chart.upper[i] - 0.5 == pytest.approx(6 * math.sqrt(spread), rel=1e-9)


def test_ewma_with_the_whole_weight_is_the_series():
    found = compute("ewma", values=MONTGOMERY, mean=10, sigma=1, **{"lambda": 1, "L": 3})
    assert found["ewma"] == pytest.approx(MONTGOMERY)
    assert found["signals"] == []
    refused("ewma", values=MONTGOMERY, mean=10, sigma=1, **{"lambda": 0})
    refused("ewma", values=MONTGOMERY, mean=10, sigma=0)


@pytest.fixture
def alarms(tmp_path):
    """A day: an alarm each hour, one that chatters, and a flood of 12 then 6 then 2 at noon."""
    rows = [(f"2026-11-21T{hour:02}:05:00Z", "pot 1", "slope", 3) for hour in range(24)]
    rows += [(f"2026-11-21T06:30:{second:02}Z", "pot 2", "noise", 2) for second in (0, 20, 50)]
    rows += [(f"2026-11-21T12:1{i % 10}:{30 + i}Z", f"pot {i}", "effect", 1) for i in range(12)]
    rows += [(f"2026-11-21T12:2{i}:00Z", f"pot {i}", "effect", 1) for i in range(6)]
    rows += [(f"2026-11-21T12:3{i}:00Z", f"pot {i}", "effect", 1) for i in range(2)]
    path = tmp_path / "alarms.csv"
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(["raised,entity,rule,priority", *lines]))
    return str(path)


def test_alarm_rate(alarms):
    found = compute(
        "alarm_rate",
        file=alarms,
        column="raised",
        alarm_columns="entity,rule",
        priority_column="priority",
        period_h=24,
    )
    assert found["alarms"] == 47
    assert found["per_10min"] == pytest.approx(47 / 144)
    assert found["per_day"] == pytest.approx(47)
    assert found["max_per_10min"] == 12
    assert found["share_above_10_percent"] == pytest.approx(100 / 144)
    assert found["floods"] == [{"start": "2026-11-21T12:10:00Z", "minutes": 20, "alarms": 18}]
    assert found["chattering"] == ["pot 2 noise"]
    assert found["priorities_percent"] == pytest.approx(
        {"1": 2000 / 47, "2": 300 / 47, "3": 2400 / 47}
    )
    assert list(found["verdicts"].values()) == ["acceptable", "flood", "acceptable"]


def test_alarm_rate_of_plain_times():
    one_each = [600.0 * i for i in range(144)]
    found = compute("alarm_rate", values=one_each)
    assert found["per_10min"] == 1
    assert found["per_day"] == pytest.approx(144)  # IEC 62682's 144 a day are one in 10 min
    assert next(iter(found["verdicts"].values())) == "acceptable"
    assert found["chattering"] is None
    assert found["floods"] == []
    dense = compute("alarm_rate", values=[10.0 * i for i in range(720)])
    assert dense["per_10min"] == 60
    assert next(iter(dense["verdicts"].values())) == "unacceptable"
    assert dense["share_above_10_percent"] == 100


def test_alarm_rate_is_over_the_time_that_was_watched():
    def notes_and_rates(**given):
        found = evaluate("alarm_rate", given, shipped_factors())
        return " ".join(found.notes), found.results["per_10min"], found.results["per_day"]

    # 24 alarms in the 40 min of four periods; the last one at 40 min begins a fifth
    every_100_s = [100.0 * i for i in range(24)]
    said, per_10min, per_day = notes_and_rates(values=every_100_s)
    assert (per_10min, per_day) == (6, pytest.approx(864))
    assert "clock's ten-minute periods from the first alarm to the last, 0.67 h" in said
    assert "too short to judge" in said
    assert notes_and_rates(values=[*every_100_s[:-1], 2400])[1] == pytest.approx(4.8)
    said, per_10min, _ = notes_and_rates(values=[*every_100_s[:-1], 2400], period_h=0.6667)
    assert per_10min == pytest.approx(6, rel=1e-4)
    assert "not given" not in said
    assert "0.67 h are too short" in said
    assert notes_and_rates(values="600", period_h=24)[0] == ""
    assert "0.17 h are too short" in notes_and_rates(values="600")[0]
    # the share is of the periods that were watched: one of six
    found = compute("alarm_rate", values=every_100_s[:1] * 11, period_h=1)
    assert found["share_above_10_percent"] == pytest.approx(100 / 6)
    found = compute("alarm_rate", values=every_100_s[:1] * 11, period_h=0.1667)
    assert found["share_above_10_percent"] == 100


def test_alarm_rate_is_bounded_and_quick():
    assert "at most 87660 h" in refused("alarm_rate", values="1,2", period_h=1e12)
    assert "span 3168.8 years, 10 at most" in refused("alarm_rate", values="0,1e11")
    ten_years = compute("alarm_rate", values=[0, 87660 * 3600.0])
    assert ten_years["per_day"] == pytest.approx(2 / 3652.5, rel=1e-4)
    lone = compute("alarm_rate", values=[86400.0] * 11, period_h=87660)
    assert lone["floods"] == [{"start": "1970-01-02T00:00:00Z", "minutes": 10, "alarms": 11}]
    assert lone["share_above_10_percent"] == pytest.approx(100 / 525_960)


def test_alarms_without_priority_or_name_are_said(tmp_path):
    path = tmp_path / "alarms.csv"
    rows = [
        f"2026-11-21T06:00:{second:02}Z,,{level}" for second, level in ((0, 1), (9, ""), (12, 1))
    ]
    path.write_text("\n".join(["raised,tag,level", *rows, "2026-11-21T09:00:00+02:00,a,"]))
    asked = {"file": str(path), "column": "raised", "alarm_columns": "tag"}
    found = evaluate("alarm_rate", {**asked, "priority_column": "level"}, shipped_factors())
    assert found.results["priorities_percent"] == {"1": 50, "none": 50}
    assert found.results["chattering"] == []
    assert any("2 of 4 alarms have no priority" in note for note in found.notes)
    assert any("3 of 4 alarms have no name" in note for note in found.notes)
    for names in (",", "tag,tag"):
        assert "each name once" in refused("alarm_rate", **{**asked, "alarm_columns": names})
    path.write_text("raised,tag\n2026-11-21T09:00:00Z,a\n,b\n")
    assert "row 2: '' is not a time" in refused("alarm_rate", **asked)


def test_alarm_rate_refuses(alarms, tmp_path):
    assert "the alarms span" in refused("alarm_rate", file=alarms, column="raised", period_h=1)
    assert "not a time" in refused("alarm_rate", file=alarms, column="entity")
    assert "no column when" in refused("alarm_rate", file=alarms, column="when")
    assert "goes with file" in refused("alarm_rate", values="1,2", alarm_columns="entity")


def slow_load(times, periods):
    """Ten-minute periods one by one, also those without an alarm."""
    index = [int(time // 600) for time in times]
    count = max(max(index) - min(index) + 1, periods)
    counts = [index.count(min(index) + i) for i in range(count)]
    floods, since = [], None
    for i, alarms in enumerate([*counts, 0]):
        if since is None and alarms > 10:
            since = i
        elif since is not None and alarms < 5:
            floods.append((10 * (i - since), sum(counts[since:i])))
            since = None
    return max(counts), 100 * sum(alarms > 10 for alarms in counts) / count, floods


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 14)), min_size=1, max_size=12))
def test_alarm_rate_equals_its_slow_twin(bursts):
    times = [600.0 * period + 40 * i for period, alarms in bursts for i in range(alarms)]
    found = compute("alarm_rate", values=times, period_h=3)
    floods = [(flood["minutes"], flood["alarms"]) for flood in found["floods"]]
    expected = slow_load(times, 18)
    assert (found["max_per_10min"], found["share_above_10_percent"], floods) == expected
