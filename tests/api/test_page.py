"""The page's files, and what every answer carries."""

import pytest


async def test_without_a_build_the_page_says_how_to_build_it(house):
    async with house.client() as client:
        answer = await client.get("/")
        assert answer.status_code == 503
        assert "make page" in answer.text
        assert (await client.get("/assets/index-1a2b.js")).status_code == 404


async def test_index_is_asked_for_each_time_and_assets_never(house):
    static = house.folder / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>potline</title>")
    (static / "icon.svg").write_text("<svg/>")
    (static / "assets" / "index-1a2b.js").write_text("1")
    async with house.client() as client:
        index = await client.get("/")
        assert index.headers["content-type"].startswith("text/html")
        assert index.headers["cache-control"] == "no-cache"
        assert (await client.get("/icon.svg")).headers["cache-control"] == "no-cache"
        asset = await client.get("/assets/index-1a2b.js")
        assert "immutable" in asset.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/../conftest.py", "/%2e%2e/secret", "/assets/%2e%2e/%2e%2e/x", "/.git", "/nothing"]
)
async def test_nothing_outside_the_build_is_served(house, path):
    (house.folder / "static" / "assets").mkdir(parents=True)
    (house.folder / "secret").write_text("secret")
    async with house.client() as client:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/api/v1/live", "/openapi.json", "/nothing", "/metrics"])
async def test_every_answer_keeps_other_sites_out(house, path):
    async with house.client() as client:
        headers = (await client.get(path)).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
async def test_loopback_names_are_answered(house, host):
    async with house.client() as client:
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
async def test_a_rebound_name_is_refused_on_loopback(house, host):
    async with house.client() as client:
        answer = await client.get("/api/v1/live", headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["title"] == "Not a name of this server"


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1", 404), ("http://evil.example", 403), ("null", 403), (None, 404)],
)
async def test_only_our_own_page_may_acknowledge(house, origin, status):
    headers = {} if origin is None else {"origin": origin}
    async with house.client() as client:
        answer = await client.post(
            "/api/v1/alarms/1/acknowledge", json={"who": "Li Wei"}, headers=headers
        )
    assert answer.status_code == status
