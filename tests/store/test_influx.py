"""InfluxDB when it says no, late, or nothing: no loss, no doubling, the others written."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from spooling import put, total

from plant.batch import SECOND, Batch, Quality
from store import influx_client
from store import writer as writer_module
from store.contract import FigureBlock, StoreUnavailable
from store.influx import InfluxStore
from store.spool import Spool
from store.writer import Writer

pytestmark = pytest.mark.servers
NOW = 1_795_261_200 * SECOND
END = NOW + 3600 * SECOND


class Proxy:
    """Forwards to the real server; `faults` are what happens to the next writes: a status, "reset"
    before it is forwarded, "unanswered" after, "half" (of an answer), "hang", "gateway" (a 400 that
    is not InfluxDB's). `after`: its Retry-After. `token`: the only one that it lets pass."""

    def __init__(self, url: str) -> None:
        self.faults: deque[int | str] = deque()
        self.bodies: list[bytes] = []
        self.limit = 10**9
        self.after = ""
        self.token = self.forwarded_token = ""
        self.seen: set[str] = set()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.forward()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if not self.path.startswith("/api/v2/write"):
                    self.forward(body)
                    return
                proxy.bodies.append(body)
                fault = proxy.faults.popleft() if proxy.faults else None
                if len(body) > proxy.limit:
                    fault = 413
                given = self.headers["authorization"]
                proxy.seen.add(given)
                if proxy.token and given != f"Token {proxy.token}":
                    fault = 401
                if isinstance(fault, int):
                    self.answer(fault, b'{"code":"x","message":"as told"}')
                    return
                if fault == "gateway":
                    self.answer(400, b"<html>bad request</html>")
                    return
                if fault == "hang":
                    time.sleep(1.0)
                    fault = "unanswered"
                if fault == "half":
                    self.wfile.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 99\r\n\r\nhalf of")
                    fault = "unanswered"
                if fault == "reset":
                    self.connection.close()
                    self.close_connection = True
                    return
                self.forward(body, silent=fault == "unanswered")

            do_PATCH = do_POST

            def forward(self, body=None, silent=False):
                wanted = ("authorization", "content-type", "content-encoding")
                headers = {k: v for k, v in self.headers.items() if k.lower() in wanted}
                if proxy.forwarded_token:
                    headers["Authorization"] = f"Token {proxy.forwarded_token}"
                request = urllib.request.Request(
                    url + self.path, body, headers, method=self.command
                )
                try:
                    with urllib.request.urlopen(request, timeout=30) as reply:
                        status, content = reply.status, reply.read()
                except urllib.error.HTTPError as error:
                    status, content = error.code, error.read()
                    error.close()
                if silent:
                    self.connection.close()
                    self.close_connection = True
                else:
                    self.answer(status, content)

            def answer(self, status, content):
                self.send_response(status)
                if proxy.after:
                    self.send_header("retry-after", proxy.after)
                if status != 204:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def proxy(influxd):
    proxy = Proxy(influxd.url)
    yield proxy
    proxy.close()


@pytest.fixture
def spool(tmp_path, plant):
    spool = Spool(tmp_path / "spool.sqlite", plant)
    yield spool
    spool.close()


@pytest.fixture
def through(proxy, influx, influx_settings, plant):
    """The store of `influx`, reached through the proxy."""
    store = InfluxStore(dataclasses.replace(influx_settings, url=proxy.url), plant)
    yield store
    store.close()


@pytest.mark.parametrize("fault", [408, 429, 500, 503, "reset", "unanswered", "half", "gateway"])
def test_what_may_pass_is_unavailable_and_the_same_write_then_succeeds(
    through, proxy, samples, fault, plant
):
    batch = samples(NOW, 2)
    proxy.faults.append(fault)
    with pytest.raises(StoreUnavailable, match="InfluxDB at"):
        through.write_samples(batch)
    assert through.write_samples(batch).stored == len(batch)
    assert through.count(NOW, END).tolist() == [2] * len(plant.tags)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_no_loss_and_never_shown(through, proxy, samples, influxd, status):
    proxy.faults.append(status)
    with pytest.raises(StoreUnavailable, match="refuses the token") as caught:
        through.write_samples(samples(NOW))
    assert influxd.token not in str(caught.value)
    assert through.write_samples(samples(NOW)).rejected == []


ALL = [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504]
ALL += ["reset", "unanswered", "half", "hang", "gateway"]


def test_a_storm_of_faults(spool, proxy, influx, influx_settings, samples, plant, monkeypatch):
    """Each of them, several times and in any order, to a writer with two lanes: nothing is lost,
    nothing doubled, nothing taken for poison."""
    monkeypatch.setattr(influx_client, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(writer_module, "BACK_OFF_S", (0.01, 0.05))
    store = InfluxStore(dataclasses.replace(influx_settings, url=proxy.url), plant)
    faults = ALL * 2
    random.Random(5).shuffle(faults)
    proxy.faults.extend(faults)
    proxy.after = "0"
    told: list[str] = []
    writer = Writer(spool, store, on_error=told.append)
    writer.start()
    for k in range(60):
        put(spool, samples(NOW + k * SECOND, seed=k + 6))
        put(spool, samples(NOW + (k - 3) * SECOND, seed=k + 3), suspect=True)
    deadline = time.monotonic() + 60
    while proxy.faults and time.monotonic() < deadline:
        time.sleep(0.05)
        k += 1
        put(spool, samples(NOW + k * SECOND, seed=k + 6))
    assert not proxy.faults
    assert writer.drain(60)
    writer.stop()
    store.close()
    n = len(plant.tags)
    received, stored, spooled, rejected = total(spool)
    seconds = k + 1 + 3  # and three before the first
    assert (stored, spooled, rejected) == (seconds * n, 0, {"duplicate": received - seconds * n})
    assert influx.count(0, END).tolist() == [seconds] * n
    wanted = np.concatenate([samples(NOW + s * SECOND, seed=s + 6).values for s in range(k + 1)])
    found = influx.samples(None, NOW, END)
    assert sorted(found.values.tolist()) == sorted(wanted.tolist())
    assert told[-1] == ""


def test_a_server_that_asks_for_time_gets_it(through, proxy, samples):
    proxy.faults.append(429)
    proxy.after = "7"
    with pytest.raises(StoreUnavailable, match="429 as told") as caught:
        through.write_samples(samples(NOW))
    assert caught.value.after_s == 7


def test_another_token_without_a_restart(
    influxd, proxy, influx, influx_settings, plant, samples, tmp_path
):
    file = tmp_path / "token"
    file.write_text(influxd.token)
    settings = dataclasses.replace(
        influx_settings, url=proxy.url, token_env="", token_file=str(file)
    )
    store = InfluxStore(settings, plant)
    assert store.write_samples(samples(NOW)).rejected == []
    proxy.token = "the next one"
    with pytest.raises(StoreUnavailable, match="refuses the token"):
        store.write_samples(samples(NOW + SECOND))
    file.write_text("the next one\n")
    proxy.forwarded_token = influxd.token
    assert store.write_samples(samples(NOW + SECOND)).rejected == []
    assert proxy.seen == {f"Token {influxd.token}", "Token the next one"}
    assert influx.count(NOW, END).tolist() == [2] * len(plant.tags)
    store.close()


def test_the_next_server_while_one_is_away(proxy, influx, influx_settings, plant, samples):
    urls = ("http://127.0.0.1:9", proxy.url, influx_settings.url)
    store = InfluxStore(dataclasses.replace(influx_settings, url="", urls=urls), plant)
    store.open()
    assert store.write_samples(samples(NOW)).rejected == []
    assert len(proxy.bodies) == 1
    proxy.faults.append("reset")
    assert store.write_samples(samples(NOW + SECOND)).rejected == []
    assert len(proxy.bodies) == 2
    assert store.count(NOW, END).tolist() == [2] * len(plant.tags)
    proxy.faults.append("reset")
    assert store.write_samples(samples(NOW + 2 * SECOND)).rejected == []
    assert len(proxy.bodies) == 2  # who answers is not left
    store.close()


def test_too_large_is_split(through, proxy, samples, plant):
    proxy.limit = 2000
    batch = samples(NOW, 3)
    assert through.write_samples(batch).stored == len(batch)
    cells = plant.entities("cell")
    block = FigureBlock("cell", ("a", "b"), cells, np.array([NOW]), np.ones((1, 2, len(cells))))
    assert through.write_figures(block) == 96
    proxy.limit = 10**9
    assert through.count(NOW, END).sum() == len(batch)
    assert through.figures("cell", ["a", "b"], None, NOW, END).values.sum() == 96


def test_a_poison_row_is_set_aside_with_the_servers_reason(influx, influx_settings, samples, plant):
    """Someone made `bath_temperature` of one cell a string: of its line only that field is lost."""
    influx._client.write(influx.raw, b'cell,id=L1-003 bath_temperature="x" %d\n' % NOW)
    poison = plant.column_of["L1-003.bath_temperature"]
    batch = samples(NOW, 2)
    written = influx.write_samples(batch)
    reasons = {int(batch.tags[row]): reason for row, reason in written.rejected}
    same_field = [t.column for t in plant.tags if t.signal.name == "bath_temperature"]
    assert poison in reasons
    assert set(reasons) <= set(same_field)
    assert "field type conflict" in reasons[poison]
    assert written.stored == len(batch) - len(written.rejected)
    kept = [t.column for t in plant.tags if t.signal.name != "bath_temperature"]
    assert influx.count(NOW, END)[kept].tolist() == [2] * len(kept)
    found = influx.samples(None, NOW, END)
    assert len(found) == written.stored
    assert poison not in found.tags


def test_poison_in_a_large_lot_costs_few_requests(influx, through, proxy, samples, plant):
    """A field of all cells has another type: one lot, a handful of requests."""
    influx._client.write(influx.raw, b'cell,id=L1-003 bath_temperature="x" %d\n' % NOW)
    batch = samples(NOW, 200)
    written = through.write_samples(batch)
    poisoned = [t.column for t in plant.tags if t.signal.name == "bath_temperature"]
    assert len(written.rejected) == 200 * len(poisoned)
    assert {int(batch.tags[row]) for row, _ in written.rejected} == set(poisoned)
    assert len(proxy.bodies) < 10
    kept = [t.column for t in plant.tags if t.signal.name != "bath_temperature"]
    assert influx.count(NOW, END)[kept].tolist() == [200] * len(kept)


def test_a_lost_bucket_is_made_again(influx, samples, plant):
    buckets = influx._client._client().buckets_api()
    buckets.delete_bucket(buckets.find_bucket_by_name(influx.raw))
    assert len(influx.samples(None, 0, END)) == 0
    assert influx.write_samples(samples(NOW)).stored == len(plant.tags)
    assert influx.count(NOW, END).sum() == len(plant.tags)


def test_retention_follows_the_plant_file(influx, influx_settings, plant):
    wanted = dataclasses.replace(influx_settings, raw_days=30, figures_days=730)
    for _ in range(2):
        store = InfluxStore(wanted, plant)
        store.open()
        buckets = store._client._client().buckets_api()
        days = [
            sum(r.every_seconds for r in buckets.find_bucket_by_name(name).retention_rules) / 86400
            for name in (store.raw, store.figure_bucket, store.alarms)
        ]
        assert days == [30, 730, 0]
        store.close()


def test_samples_past_the_retention_are_refused(influx_settings, influx, plant):
    store = InfluxStore(dataclasses.replace(influx_settings, raw_days=7), plant)
    store.open()
    batch = Batch.of([0, 1], [NOW - 40 * 86400 * SECOND, 2**62], [4.0, 4.0])
    written = store.write_samples(batch)
    assert [row for row, _ in written.rejected] == [0]
    assert "older than the 7 days" in written.rejected[0][1]
    assert store.count(0, 2**62 + 1).tolist()[:2] == [0, 1]
    store.close()


def test_nobody_listens(influx_settings, plant, monkeypatch, samples):
    monkeypatch.setenv("POTLINE_STORE_TEST_TOKEN", "secret")
    store = InfluxStore(dataclasses.replace(influx_settings, url="http://127.0.0.1:9"), plant)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.open()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.write_samples(samples(NOW))
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.samples(None, NOW, END)


def test_without_a_token(influx_settings, plant, tmp_path, monkeypatch):
    monkeypatch.delenv("POTLINE_STORE_TEST_TOKEN", raising=False)
    with pytest.raises(StoreUnavailable, match="set POTLINE_STORE_TEST_TOKEN to the InfluxDB"):
        InfluxStore(influx_settings, plant).open()
    absent = dataclasses.replace(influx_settings, token_file=str(tmp_path / "token"))
    with pytest.raises(StoreUnavailable, match="write the InfluxDB token into that file"):
        InfluxStore(absent, plant).open()
    (tmp_path / "token").write_text("not-the-token\n")
    with pytest.raises(StoreUnavailable, match="refuses the token") as caught:
        InfluxStore(absent, plant).open()
    assert "not-the-token" not in str(caught.value)


@pytest.mark.parametrize("held", [b"sec\nret\n", "sécrèt".encode("latin-1"), b"\n"])
def test_a_token_that_cannot_be_one_is_told_and_not_shown(influx_settings, plant, tmp_path, held):
    (tmp_path / "token").write_bytes(held)
    settings = dataclasses.replace(influx_settings, token_file=str(tmp_path / "token"))
    with pytest.raises(StoreUnavailable, match=r"token_file .*: write the Influx") as caught:
        InfluxStore(settings, plant).open()
    assert "ret" not in str(caught.value).replace("/", " ").split()


def test_figures_that_the_server_never_takes_hold_up_nothing(influx, plant):
    cells = plant.entities("cell")
    influx._client.write(
        influx.figure_bucket, b'cell,id=%s poisoned="x" %d\n' % (cells[0].encode(), NOW)
    )
    values = np.ones((1, 2, len(cells)))
    block = FigureBlock("cell", ("poisoned", "well"), cells, np.array([NOW]), values)
    influx.write_figures(block)
    found = influx.figures("cell", ["well"], None, NOW, END).values
    assert np.isfinite(found).sum() >= len(cells) - 1


def test_unknown_organisation(influx_settings, influx, plant):
    with pytest.raises(StoreUnavailable, match="elsewhere"):
        InfluxStore(dataclasses.replace(influx_settings, org="elsewhere"), plant).open()


def test_one_line_a_cell_and_time_with_all_its_fields(through, proxy, plant):
    tags = [t.column for t in plant.tags if t.entity == "L1-002"]
    quality = np.zeros(len(tags), np.uint8)
    quality[1], quality[2] = Quality.UNCERTAIN, Quality.BAD
    values = np.full(len(tags), 3.95)
    values[2] = np.nan
    through.write_samples(Batch.of(tags, [NOW] * len(tags), values, quality))
    (line,) = proxy.bodies[0].decode().splitlines()
    head, fields, time = line.split(" ")
    assert head == "cell,id=L1-002,line=L1,section=A,site=demo"
    assert time == str(NOW)
    names = [plant.tags[c].signal.name for c in tags]
    first, second, third, *rest = names
    expected = [f"{first}=3.95", f"{second}=3.95", f"{second}_q=1i", f"{third}_q=2i"]
    assert fields.split(",") == expected + [f"{name}=3.95" for name in rest]


def test_killed_and_started_again(own_influxd, influx_settings, plant, samples, monkeypatch):
    monkeypatch.setenv("POTLINE_STORE_TEST_TOKEN", own_influxd.token)
    store = InfluxStore(dataclasses.replace(influx_settings, url=own_influxd.url), plant)
    store.open()
    batch = samples(NOW, 3)
    assert store.write_samples(batch).stored == len(batch)
    own_influxd.kill()
    with pytest.raises(StoreUnavailable):
        store.write_samples(samples(NOW + 3 * SECOND))
    own_influxd.start()
    assert store.write_samples(samples(NOW + 3 * SECOND)).stored == len(plant.tags)
    assert store.count(NOW, END).tolist() == [4] * len(plant.tags)
    store.close()
