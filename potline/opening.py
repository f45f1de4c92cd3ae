"""What the reading commands open: the plant, its spool and its store."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.forward import Run
from plant.model import Plant
from potline.exits import FOUND, INVALID, UNREACHABLE, Failure
from potline.logs import configure
from potline.plants import load_plant
from store.contract import Store, StoreUnavailable
from store.facts import is_damage
from store.history import History
from store.open import open_store
from store.restatements import Restatements
from store.spool import Spool, SpoolInUse


@dataclass(frozen=True, slots=True)
class Kept:
    """What a plant has kept so far."""

    plant: Plant
    spool: Spool
    store: Store
    restatements: Restatements
    history: History


@contextlib.contextmanager
def opened_for_writing(path: Path) -> Iterator[Kept]:
    """Open the spool and store of a plant to add to them. Raises Failure when they are in use."""
    configure(logging.WARNING)
    plant = load_plant(path)
    folder = Path(plant.store.path)
    folder.mkdir(parents=True, exist_ok=True)
    spool = Spool(folder / "spool.sqlite", plant)
    store = open_store(plant)
    restatements = Restatements(folder, plant)
    try:
        spool.claim()
        store.open()
        yield Kept(plant, spool, store, restatements, History(store, spool, restatements))
    except SpoolInUse as error:
        raise Failure(INVALID, str(error)) from None
    except StoreUnavailable as error:
        raise Failure(UNREACHABLE, f"the store cannot be reached: {error}") from None
    finally:
        restatements.close()
        store.close()
        spool.close()


def run_before(opened: Kept, start: int) -> Run:
    """The run that stands at or before `start`: of a checkpoint, or from the first sample kept."""
    checkpoint = opened.spool.checkpoints(start)
    run = Run.restored(opened.plant, checkpoint) if checkpoint else None
    if run is not None:
        return run
    extent = opened.history.extent()
    if extent is None:
        raise Failure(FOUND, "no samples are kept yet")
    return Run.fresh(opened.plant, extent[0])


@contextlib.contextmanager
def kept(path: Path) -> Iterator[Kept]:
    """Open the spool and store of a plant for reading, also while `potline run` writes them."""
    plant = load_plant(path)
    file = Path(plant.store.path) / "spool.sqlite"
    if not file.exists():
        raise Failure(
            INVALID,
            f"{path}: nothing is kept in {plant.store.path} yet; "
            "start `potline run` or `potline import` first",
        )
    spool = Spool(file, plant)
    store = open_store(plant)
    restatements = Restatements(file.parent, plant)
    try:
        yield Kept(plant, spool, store, restatements, History(store, spool, restatements))
    except StoreUnavailable as error:
        raise Failure(UNREACHABLE, f"the store cannot be reached: {error}") from None
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        raise Failure(
            FOUND,
            f"{file} is damaged ({error}); `potline run` sets it aside at its start and goes on "
            "with what can be read",
        ) from None
    finally:
        restatements.close()
        store.close()
        spool.close()
