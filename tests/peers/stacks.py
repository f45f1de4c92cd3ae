"""The OPC UA servers of three makers, each a process with one node for each kind of value."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PEERS = Path(__file__).parent
NODE = PEERS / "node_opcua"
MILO = PEERS / "milo"
BUILT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "potline" / "milo"
MAKERS = ("asyncua", "node-opcua", "milo")
START_S = 60.0


def lacking(maker: str) -> str:
    """What is not on this machine, "" when the server can be started."""
    if maker == "node-opcua" and not (shutil.which("node") and (NODE / "node_modules").exists()):
        return "no node-opcua on this machine: `make provision` installs it"
    if maker == "milo":
        mark = BUILT / "built"
        sources = (MILO / "pom.xml", MILO / "src/main/java/Peer.java")
        fresh = mark.exists() and all(
            mark.stat().st_mtime >= source.stat().st_mtime for source in sources
        )
        if not (shutil.which("java") and fresh):
            return "no Eclipse Milo server on this machine: `make provision` builds it"
    return ""


class Stack:
    """secured: folder of its certificates, port without security, port with an expired one; as the
    servers' own files say."""

    def __init__(self, maker: str, port: int, *secured: object, password: str = "") -> None:
        self.maker = maker
        self.port = port
        self._secured = [str(argument) for argument in secured]
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, alone: bool = False) -> None:
        """Returns at once; `wait` until it listens. alone: without the two other ports."""
        home = NODE / "node_modules" / ".home"  # where node-opcua keeps a certificate of its own
        if self.maker == "node-opcua":
            home.mkdir(exist_ok=True)
        environment = {**os.environ, "PASSWORD": self._password, "ACCEPT": "1"}
        self._process = subprocess.Popen(
            self._command(self._secured[: 1 if alone else None]),
            env=environment | ({"HOME": str(home)} if self.maker == "node-opcua" else {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while True:
            if (ended := self._process.poll()) is not None:
                raise RuntimeError(f"{self.maker} ended: {ended}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.maker} does not listen") from None
                time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(15)
            self._process = None

    def _command(self, secured: list[str]) -> list[str]:
        port = str(self.port)
        if self.maker == "asyncua":
            program = [sys.executable, str(PEERS / "opcua_server.py"), port, "--kinds"]
            return [*program, "--secured", *secured]
        if self.maker == "node-opcua":
            return ["node", str(NODE / "kinds.js"), port, *secured]
        path = f"{BUILT}/classes:{BUILT}/lib/*"
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", path, "Peer", port, *secured]
