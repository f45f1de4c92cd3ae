"""One OPC UA server for one source of the plant, for as many tags as a plant has.

asyncua brings transport, security, sessions and the standard address space. Values do not go
through its nodes: a batch of samples goes into each subscription's queue by one kernel, and out as
bytes by another.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import structlog
from asyncua import ua
from asyncua.server.address_space import (
    AttributeService,
    MethodService,
    NodeManagementService,
    ViewService,
)
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from numpy.typing import NDArray

from plant.model import Plant, Source
from simulators.bad_data import spoil
from simulators.luck import Stream, keys, uniforms
from simulators.scale.hostility import Hostility
from simulators.scale.processor import Processor, ScaleBinaryServer
from simulators.scale.queue import warm
from simulators.scale.samples import DOUBLE, FLOAT, INT64, STRING, YEAR_1601, Samples
from simulators.scale.service import ScaleSession, ScaleSubscriptions
from simulators.scale.space import FOLDER, ScaleSpace, TagSpace
from simulators.scale.wire import node_id, server_time
from simulators.scenario import Fault

log = structlog.get_logger(__name__)

_OTHER_TYPES = np.array([FLOAT, INT64, STRING], np.uint8)
_ALTERNATIVE_NAMES = "2.5.29.17"
_DOWN = ("drop_connection", "restart_server")
_NEWCOMER = "urn:potline:simulator:newcomer"  # a namespace that was not there before


@dataclass(frozen=True, slots=True)
class Security:
    """The server's own certificate and key, PEM or DER. plain: unsecured connections too."""

    certificate: Path
    private_key: Path
    plain: bool = False


class _Internal(InternalServer):
    """The library's inside, with our address space and subscriptions in it."""

    def __init__(self, tags: TagSpace, hostility: Hostility) -> None:
        super().__init__()
        self._hostility = hostility
        self.space = self.aspace = space = ScaleSpace(tags)
        self.attribute_service = AttributeService(space)
        self.view_service = ViewService(space)
        self.method_service = MethodService(space)
        self.node_mgt_service = NodeManagementService(space)
        self.service = self.subscription_service = ScaleSubscriptions(space, hostility)
        self.isession.aspace = space
        self.isession.subscription_service = self.service

    def create_session(self, name: str, user: Any = None, external: bool = False) -> ScaleSession:
        session = ScaleSession(
            self, self.aspace, self.subscription_service, name, external=external
        )
        session.hostility = self._hostility
        return session


class _Server(Server):
    hostility: Hostility

    async def start(self) -> None:
        await self._setup_server_nodes()
        await self.iserver.start()
        host, port = self._get_bind_socket_info()
        assert host is not None  # as the plant file's url has it
        assert port is not None
        link = ScaleBinaryServer(self.iserver, host, port, self.limits)
        link.hostility = self.hostility
        link.set_policies(self._policies)
        try:
            await link.start()
        except OSError:
            await self.iserver.stop()
            raise
        self.bserver = link


class ScaleServer:
    """Serves while the context is entered. The plant goes on while the link is down.

    A source with several urls has as many servers, which tell the same; only the first misbehaves.
    """

    def __init__(
        self, plant: Plant, source: Source, security: Security | None = None, seed: int = 1
    ) -> None:
        first, *others = source.options.get("urls") or [source.options["url"]]
        self.source = source = _at(source, first)
        self.others = [ScaleServer(plant, _at(source, url), security, seed) for url in others]
        self.tags = TagSpace(plant, source)
        self.serves = np.isin(np.arange(len(plant.tags)), self.tags.columns)  # by column
        self._plant = plant
        self._security = security
        self.hostility = Hostility()
        self._inside = _Internal(self.tags, self.hostility)
        self._server = _Server(self._inside)
        self._server.hostility = self.hostility
        self._service = self._inside.service
        self._keys = keys(seed, [tag.id for tag in plant.tags])
        self._luck = random.Random(f"{seed}/{source.id}")
        self._uris = list(self.tags.uris)
        self._spoiled: defaultdict[int, list[str]] = defaultdict(list)
        self._active: set[str] = set()
        self._up = True

    async def __aenter__(self) -> Self:
        server = self._server
        warm()
        await server.init()
        server.set_endpoint(self.source.options["url"])
        server.set_server_name(f"potline simulator {self.source.id}")
        await self._secure()
        await self._tell_namespaces()
        try:
            await server.start()
        except OSError as error:
            raise OSError(
                f"source {self.source.id}: cannot listen on {self.source.options['url']} "
                f"({error.strerror}); stop what listens there or change the url in "
                f"{self._plant.path}"
            ) from None
        for other in self.others:
            await other.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for other in self.others:
            await other.__aexit__()
        await self._forget()
        await self._server.stop()

    async def _secure(self) -> None:
        if self._security is None:
            self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        await self._server.load_certificate(self._security.certificate)
        await self._server.load_private_key(self._security.private_key)
        if uri := _application_uri(self._inside.certificate):
            await self._server.set_application_uri(uri)
        if not self._security.plain:
            plain = ua.SecurityPolicyType.NoSecurity
            self._server.set_security_policy(
                [policy for policy in self._server._security_policy if policy is not plain]
            )

    async def _tell_namespaces(self) -> None:
        array = self._server.nodes.namespace_array
        standard = (await array.read_value())[:2]
        await array.write_value([*standard, *self.tags.uris])
        objects = self._inside.aspace[node_id(ObjectIds.ObjectsFolder)].references
        objects[:] = [ref for ref in objects if not str(ref.NodeId.Identifier).startswith(FOLDER)]
        objects += self.tags.folders()

    # -- samples

    def send(
        self, columns: NDArray[np.int32], values: NDArray[np.float64], times: NDArray[np.int64]
    ) -> None:
        """Tags' new values, in their units on the wire; times in ns. Per tag in time order."""
        samples = Samples(
            columns, times, values, np.zeros(len(columns), np.uint32), self.tags.kinds[columns]
        )
        if self._spoiled:
            samples = self._spoil(samples)
        samples = self._disturb(samples)
        self.tags.take(samples)
        if not self.hostility.frozen:
            self._push(samples)
        for other in self.others:
            other.send(columns, values, times)

    def _push(self, samples: Samples) -> None:
        seen_ns = server_time(self.hostility.skew_ns)
        for subscription in self._service.subscriptions.values():
            subscription.push(samples, seen_ns)

    def _disturb(self, samples: Samples) -> Samples:
        """As a hostile server tells them."""
        hostility = self.hostility
        if hostility.vanished:
            samples = samples.take(~self.tags.gone[samples.tags])
        if not hostility.not_finite and not hostility.retyped:
            return samples
        values, kinds = samples.values.copy(), samples.kinds.copy()
        mine = self._keys[samples.tags]
        luck = uniforms(mine, Stream.DATA, samples.times // 1_000_000)
        spoiled = (luck < hostility.not_finite) & (kinds == DOUBLE)
        values[spoiled] = np.where(luck[spoiled] < hostility.not_finite / 2, np.nan, np.inf)
        retyped = self._chosen(samples.tags, hostility.retyped) & np.isfinite(values)
        kinds[retyped] = _OTHER_TYPES[samples.tags[retyped] % len(_OTHER_TYPES)]
        return Samples(samples.tags, samples.times, values, samples.status, kinds)

    def _chosen(self, columns: NDArray[np.int32], share: float) -> NDArray[np.bool_]:
        """The same tags whenever the share is the same, more of them when it is more."""
        nothing = np.zeros(len(columns), np.int64)
        return np.asarray(uniforms(self._keys[columns], Stream.NATURE, nothing) < share)

    def spoil_next(self, column: int, what: str) -> None:
        """Send a bad datum after the next good one of this tag."""
        self._spoiled[column].append(what)

    def _spoil(self, samples: Samples) -> Samples:
        """With what was asked for, each right after its tag's datum."""
        rows = [row for row in range(len(samples)) if int(samples.tags[row]) in self._spoiled]
        bad: list[tuple[int, int, float, int, int]] = []
        for row in rows:
            column = int(samples.tags[row])
            for what in self._spoiled.pop(column, ()):
                value, when = spoil(what, float(samples.values[row]), int(samples.times[row]))
                status = StatusCodes.BadSensorFailure if what == "bad_status" else 0
                kind = STRING if what == "wrong_type" else DOUBLE
                bad.append((column, max(when, YEAR_1601), value, status, kind))
        extra = np.array(bad, "i4,i8,f8,u4,u1")
        both = [
            np.concatenate([old, extra[f"f{i}"]])
            for i, old in enumerate(
                (samples.tags, samples.times, samples.values, samples.status, samples.kinds)
            )
        ]
        return Samples(*both)

    # -- faults

    async def set_link(self, up: bool) -> None:
        """Close every connection and the port, or listen again."""
        link = self._server.bserver
        if up != self._up and link is not None:
            self._up = up
            await (link.start() if up else link.stop())

    async def misbehave(self, started: Iterable[Fault], active: Iterable[Fault]) -> None:
        """As the active faults of this source say; `started`: those that begin now."""
        started, active = list(started), list(active)
        if not started and not active and not self._active:
            return
        self.hostility.set(active)
        self._inside.space.skew_ns = self.hostility.skew_ns
        self._inside.space.service_level = self.hostility.service_level
        kinds = {fault.kind for fault in active}
        changed, self._active = kinds ^ self._active, kinds
        begun = {fault.kind for fault in started}
        if "vanish_nodes" in changed:
            self._vanish()
        if "drop_sessions" in begun:
            for client in self._server.bserver.clients if self._server.bserver else ():
                if isinstance(client.processor, Processor):
                    client.processor.refuse_publish_requests(StatusCodes.BadSessionClosed)
            await self._forget()
        if "permute_namespaces" in changed:
            await self.set_link(False)
            await self._forget()
            self._permute("permute_namespaces" in kinds)
            await self._tell_namespaces()
        if "restart_server" in changed & kinds:
            await self.set_link(False)
            await self._forget()
        await self.set_link(not kinds & set(_DOWN))

    def _vanish(self) -> None:
        """Nodes go, with a last word to whoever monitors them; or are there again."""
        columns = self.tags.columns
        before, self.tags.gone[:] = self.tags.gone.copy(), False
        self.tags.gone[columns] = self._chosen(columns, self.hostility.vanished)
        for column in np.flatnonzero(self.tags.gone & ~before).tolist():
            now = self.tags.now(np.array([column], np.int32))
            now.status[:] = StatusCodes.BadNodeIdUnknown
            for subscription in self._service.subscriptions.values():
                subscription.items.end(column, now)

    def _permute(self, permuted: bool) -> None:
        uris = list(self._uris)
        if permuted:
            self._luck.shuffle(uris)
            uris.insert(0, _NEWCOMER)  # so that none has the index it had
        self.tags.uris[:] = uris

    async def _forget(self) -> None:
        """Sessions and subscriptions are lost, as after a restart."""
        for session in list(self._inside._external_sessions.values()):
            await session.close_session(True)
        await self._service.delete_subscriptions(list(self._service.subscriptions))


def _at(source: Source, url: str) -> Source:
    return replace(source, options={**source.options, "url": url, "urls": []})


def _application_uri(certificate: Any) -> str:
    """The first URI of the certificate's alternative names, "" without one."""
    uris = [
        str(name.value)
        for extension in certificate.extensions
        if extension.oid.dotted_string == _ALTERNATIVE_NAMES
        for name in extension.value
        if type(name).__name__ == "UniformResourceIdentifier"
    ]
    return next(iter(uris), "")
