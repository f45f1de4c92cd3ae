"""Formulas over the API: the same table, the same results, the same words."""

import pytest

from analytics.formula import evaluate, formulas


async def ask(house, method, path, status=200, **options):
    async with house.client() as client:
        answer = await client.request(method, f"/api/v1/formulas{path}", **options)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_all_formulas(house):
    rows = (await ask(house, "GET", ""))["formulas"]
    assert [row["name"] for row in rows] == list(formulas())
    for row in rows:
        assert {"what", "what_zh", "expression", "source", "certainty"} <= set(row)
        assert all(key["kind"] != "file" for key in row["keys"])


async def test_described_without_a_query(house):
    row = await ask(house, "GET", "/faraday_mass")
    assert row["keys"][1] == {
        "name": "current_efficiency",
        "unit": "1",
        "what": "current efficiency as a fraction",
        "kind": "number",
        "required": True,
        "default": None,
        "low": 0,
        "high": 1,
        "open_low": True,
        "least": 0.0,
        "open_high": False,
        "whole": False,
        "choices": [],
    }
    assert row["results"] == [{"name": "mass_kg", "unit": "kg", "decimals": 1}]


async def test_get_and_post_are_one(house):
    for name, row in formulas().items():
        posted = await ask(house, "POST", f"/{name}", json=dict(row.example))
        expected = evaluate(name, row.example, house.plant.factors)
        assert posted["results"] == expected.results
        assert [f["name"] for f in posted["factors"]] == [f.name for f in expected.factors]
        if all(isinstance(value, int | float | str) for value in row.example.values()):
            got = await ask(house, "GET", f"/{name}", params=dict(row.example))
            assert got == posted


async def test_factors_carry_source_and_year(house):
    body = await ask(house, "POST", "/pfc_china", json={"production_t": 1, "gwp": "AR5"})
    assert body["results"]["co2e_t"] == pytest.approx(0.26316, abs=5e-6)
    assert {f["year"] for f in body["factors"]} == {2013, 2015}
    assert all(f["source"] for f in body["factors"])


@pytest.mark.parametrize(
    ("path", "given", "says"),
    [
        ("/faraday_mass", {"charge_kAh": 1}, "current_efficiency is missing"),
        ("/faraday_mass", {"charge": 1}, 'did you mean "charge_kAh"?'),
        ("/enthalpy_voltage", {"current_efficiency": 0}, "must be above 0 and at most 1"),
        ("/enthalpy_voltage", {"current_efficiency": "93.5"}, "is a percentage; write 0.935"),
        ("/tiered_price_2021", {"kWh_per_t": 13570}, "could not be confirmed"),
    ],
)
async def test_what_is_given_wrongly_is_a_problem(house, path, given, says):
    for how in ({"method": "POST", "json": given}, {"method": "GET", "params": given}):
        body = await ask(house, path=path, status=422, **how)
        assert says in body["detail"]
        assert body["remedy"]


async def test_json_that_holds_no_number(house):
    for body in (b'{"current_efficiency": NaN}', b'{"current_efficiency": 1e999}'):
        answer = await ask(
            house,
            "POST",
            "/enthalpy_voltage",
            422,
            content=body,
            headers={"Content-Type": "application/json"},
        )
        assert "must be a finite number" in answer["detail"]


async def test_an_unknown_formula_is_named(house):
    for method, body in (("GET", {}), ("POST", {"json": {}})):
        body = await ask(house, method, "/faraday_mas", 404, **body)
        assert 'did you mean "faraday_mass"?' in body["detail"]


async def test_a_key_twice(house):
    body = await ask(
        house, "GET", "/enthalpy_voltage?current_efficiency=1&current_efficiency=0.9", 422
    )
    assert "given twice" in body["detail"]


async def test_the_server_reads_no_file(house, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("x\n1\n2\n3\n")
    read = 0
    for name, row in formulas().items():
        for key in row.keys:
            if key.kind == "file":
                read += 1
                body = await ask(house, "POST", f"/{name}", 422, json={key.name: str(secret)})
                assert "the server reads no file" in body["detail"]
    assert read
