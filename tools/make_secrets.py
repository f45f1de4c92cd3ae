"""Makes the random passwords and the token that deploy/compose.yaml reads, each once.

Files that are there are kept: their values stand in the databases already. The folder is open to
its owner only; the files in it are readable, because a container reads them as another user.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
from pathlib import Path

MQTT_USERS = ("potline", "plant")
ROUNDS = 101  # what mosquitto_passwd writes; the passwords are random, not chosen


def mosquitto_line(user: str, password: str) -> str:
    """A line of Mosquitto's password file: PBKDF2-HMAC-SHA512, kind 7."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    parts = (base64.b64encode(part).decode() for part in (salt, key))
    return f"{user}:$7${ROUNDS}${'$'.join(parts)}\n"


def keep(file: Path, text: str) -> str:
    """Writes the text unless the file is there. -> what stands in it"""
    if not file.exists():
        file.write_text(text)
        file.chmod(0o444)
        print(f"made     {file}")
    return file.read_text()


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep(folder / "influxdb_user", "potline")
    keep(folder / "influxdb_password", secrets.token_hex(24))
    keep(folder / "influxdb_token", secrets.token_hex(48))
    passwords = {
        user: keep(folder / f"mqtt_password_{user}", secrets.token_hex(24)) for user in MQTT_USERS
    }
    keep(folder / "mosquitto_passwords", "".join(mosquitto_line(*row) for row in passwords.items()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/make_secrets.py FOLDER")
    make(Path(sys.argv[1]))
