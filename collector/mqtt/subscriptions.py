"""What a session is subscribed to: asked, refused, left where the plant file no longer names it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from paho.mqtt.client import Client
from paho.mqtt.matcher import MQTTMatcher
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from collector.mqtt.columns import PacketDecoder
from collector.source import SourceHealth
from plant.model import Source

PER_REQUEST = 100
_MOST_LEFT = 10_000

log = structlog.get_logger()


def topic_filters(topics: Sequence[str], subscribe: str) -> list[str]:
    """What to subscribe to: the topics themselves, or all below the levels that they share (what
    else is published there is then counted); where they share none, below the first of each."""
    if subscribe == "topics":
        return sorted(topics)
    parents = [topic.split("/")[:-1] for topic in topics]
    shared: list[str] = []
    for column in zip(*parents, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    if shared:
        return ["/".join([*shared, "#"])]
    return sorted(
        {
            "/".join([*parent[:1], "#"]) if parent else topic
            for parent, topic in zip(parents, topics, strict=True)
        }
    )


def covering(topic: str) -> list[str]:
    """All filters that `topic_filters` may once have made and that bring this topic."""
    levels = topic.split("/")
    return [topic, *("/".join([*levels[:n], "#"]) for n in range(1, len(levels)))]


class Subscriptions:
    """Of one connection; callbacks of paho lead here."""

    def __init__(self, source: Source, decoder: PacketDecoder, health: SourceHealth) -> None:
        options = source.options
        self._source = source
        self._decoder = decoder
        self._health = health
        self._five = options.get("protocol", "5") == "5"
        self._way = options.get("subscribe", "prefix")
        self._plain = topic_filters(decoder.topics, self._way)
        group = options.get("share")
        self._prefix = f"$share/{group}/" if group else ""
        self._wanted = MQTTMatcher()  # type: ignore[no-untyped-call]
        for filter_ in self._plain:
            self._wanted[filter_] = True
        self._asked: dict[int, list[str]] = {}  # SUBSCRIBE id -> filters
        self._refused: dict[str, str] = {}  # filter -> reason
        self._left: set[str] = set()

    @property
    def unanswered(self) -> bool:
        return bool(self._asked)

    def subscribe(self, client: Client) -> None:
        self._ask(client, [self._prefix + filter_ for filter_ in self._plain])

    def retry(self, client: Client) -> None:
        """Ask again for what was refused."""
        self._ask(client, list(self._refused))

    def _ask(self, client: Client, filters: Sequence[str]) -> None:
        for start in range(0, len(filters), PER_REQUEST):
            chunk = list(filters[start : start + PER_REQUEST])
            if self._five:
                # 1: retained messages only where the subscription is new
                options = SubscribeOptions(qos=1, retainHandling=1)
                _, message_id = client.subscribe([(f, options) for f in chunk])
            else:
                _, message_id = client.subscribe([(f, 1) for f in chunk])
            if message_id is not None:
                self._asked[message_id] = chunk

    def leave_others(self, client: Client) -> None:
        """Give back what the other ways to subscribe may have left in the session."""
        topics = self._decoder.topics
        ways = set(topic_filters(topics, "prefix")) | set(topic_filters(topics, "topics"))
        kept = set() if self._prefix else set(self._plain)
        self._unsubscribe(client, ways - kept)

    def leave(self, client: Client, topics: Iterable[str]) -> None:
        """Unsubscribe from what the session has left over from an earlier plant file; topics: of
        messages that belong to no tag."""
        for topic in topics:
            if topic in self._left or self._is_wanted(topic):
                continue
            if len(self._left) < _MOST_LEFT:
                self._left.add(topic)
                kept = set() if self._prefix else set(self._plain)
                self._unsubscribe(client, set(covering(topic)) - kept)

    def _is_wanted(self, topic: str) -> bool:
        return next(self._wanted.iter_match(topic), False)  # type: ignore[no-untyped-call]

    def _unsubscribe(self, client: Client, filters: set[str]) -> None:
        left = sorted(filters)
        for start in range(0, len(left), PER_REQUEST):
            client.unsubscribe(left[start : start + PER_REQUEST])

    def answered(
        self,
        client: Client,
        userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        """SUBACK, as paho tells it."""
        for asked, reason in zip(self._asked.pop(message_id, ()), reasons, strict=False):
            if reason.is_failure:
                if asked not in self._refused:
                    self._warn("the broker refused a subscription", asked, str(reason))
                self._refused[asked] = str(reason)
                continue
            self._refused.pop(asked, None)
            if reason.value == 0:
                self._warn("the broker may lose messages here", asked, "it grants QoS 0 only")
        self._health.unresolved = {
            tag: f"subscription refused: {self._refused[self._prefix + filter_]}"
            for topic, tags in self._decoder.tags_of_topic.items()
            for filter_ in covering(topic)
            if self._prefix + filter_ in self._refused
            for tag in tags
        }

    def _warn(self, event: str, topic: str, reason: str) -> None:
        log.warning(event, source=self._source.id, topic=topic, reason=reason)
