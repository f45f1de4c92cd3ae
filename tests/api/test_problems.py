"""Every error is a problem that says what, where and the remedy."""

import pytest

from store.contract import StoreUnavailable

KEYS = {"type", "title", "status", "detail", "remedy", "instance", "errors"}


async def problem(house, method, path, status, **options):
    async with house.client() as client:
        answer = await client.request(method, path, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == KEYS
    assert body["status"] == status
    assert body["instance"] == path.partition("?")[0]
    assert body["title"]
    assert body["detail"]
    assert body["remedy"]
    return body


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
        ("/api/v1/figures?scope=cell", 422, "query.figure"),
        ("/api/v1/figures?scope=pot&figure=voltage", 422, "query.scope"),
        ("/api/v1/figures?scope=cell&figure=volts", 404, "'volts'"),
        ("/api/v1/figures?scope=cell&figure=voltage&entity=L9-001", 404, "'L9-001'"),
        ("/api/v1/figures?scope=cell&figure=voltage&points=1", 422, "query.points"),
        ("/api/v1/figures?scope=cell&figure=voltage&from=yesterday", 422, "'yesterday'"),
        ("/api/v1/figures?scope=cell&figure=voltage&from=-1h&to=-2h", 422, "not before"),
        ("/api/v1/figures?scope=cell&figure=voltage&from=-9999d", 422, "366 days"),
        ("/api/v1/figures?scope=cell&figure=voltage&from=-365d", 422, "48 series"),
        ("/api/v1/samples", 422, "query.tag"),
        ("/api/v1/samples?tag=L1-001.volts", 404, "'L1-001.volts'"),
        ("/api/v1/samples?tag=L1-001.voltage&from=-40d", 422, "31 days"),
        ("/api/v1/alarms?state=closed", 422, "query.state"),
        ("/api/v1/alarms?limit=0", 422, "query.limit"),
        ("/api/v1/anode-effects?cell=L1-999", 404, "'L1-999'"),
        ("/api/v1/gaps?tag=x", 404, "'x'"),
        ("/api/v1/explain?scope=cell&entity=L1-001&figure=volts", 404, "'volts'"),
    ],
)
async def test_what_is_asked_wrongly(house, path, status, detail):
    body = await problem(house, "GET", path, status)
    assert detail in body["detail"]


async def test_validation_names_each_place(house):
    body = await problem(house, "GET", "/api/v1/figures?scope=pot&figure=a&points=x", 422)
    assert [e["place"] for e in body["errors"]] == ["query.scope", "query.points"]


async def test_a_wrong_method_is_refused(house):
    await problem(house, "DELETE", "/api/v1/plant", 405)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"who": ""}', b'{"who": "  "}', b'{"who": "a", "x": 1}', b'{"who": 5}'],
)
async def test_a_bad_acknowledgement_is_refused(house, content):
    await problem(
        house,
        "POST",
        "/api/v1/alarms/1/acknowledge",
        422,
        content=content,
        headers={"content-type": "application/json"},
    )


async def test_a_store_that_is_away_is_no_bug(house, monkeypatch):
    def away(*_):
        raise StoreUnavailable("connection refused by http://10.1.2.3:8086")

    monkeypatch.setattr(house.context.history, "samples", away)
    body = await problem(house, "GET", "/api/v1/samples?tag=L1-001.voltage", 503)
    assert "10.1.2.3" not in str(body)


async def test_a_bug_shows_no_internals(house, monkeypatch):
    def broken(*_):
        raise KeyError("secret internals")

    monkeypatch.setattr(house.context.history, "samples", broken)
    body = await problem(house, "GET", "/api/v1/samples?tag=L1-001.voltage", 500)
    assert "secret" not in str(body)
