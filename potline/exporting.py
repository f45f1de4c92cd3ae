"""Tables as people and programs want them: printed, CSV, JSON or Parquet."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from potline.exits import INVALID, Failure
from potline.tables import print_rows


def write_table(table: pa.Table, format: str, output: Path | None, title: str) -> None:
    """Print or write a table in the asked format. Raises Failure on an unusable combination."""
    if format == "parquet":
        if output is None:
            raise Failure(INVALID, "--format parquet needs --output FILE")
        pyarrow.parquet.write_table(table, output)
        return
    if format == "table" and output is None:
        columns = table.to_pydict()
        rows = list(zip(*columns.values(), strict=True))
        print_rows(title, table.column_names, rows)
        return
    if format == "csv":
        sink = sys.stdout.buffer if output is None else output.open("wb")
        pyarrow.csv.write_csv(table, sink)
    else:
        text = orjson.dumps(table.to_pylist(), option=orjson.OPT_INDENT_2)
        if output is None:
            sys.stdout.buffer.write(text + b"\n")
        else:
            output.write_bytes(text)
    sys.stdout.flush()
