"""[[output]]: where figures are published, checked by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plant.explain import validate
from plant.model import Output
from plant.problems import Key, Problems
from plant.schema.brokers import OUTPUTS
from plant.suggest import did_you_mean
from plant.templates import TemplateError, check

TOPIC = ("site", "line", "entity", "figure")


def read_outputs(
    rows: Sequence[object],
    taken: Mapping[tuple[str, int, str], str],
    figure_names: Mapping[str, set[str]] | None,
    problems: Problems,
) -> tuple[Output, ...]:
    """All outputs of the file; what is wrong goes to `problems`.

    taken: (host, port, client_id) -> the source that has it.
    """
    outputs: dict[str, Output] = {}
    clients = dict(taken)
    for i, raw in enumerate(rows):
        key: Key = ("output", i)
        if not isinstance(raw, dict):
            problems.add(key, "must be a table; write it as [[output]]")
            continue
        kind = str(raw.get("kind", ""))
        if kind not in OUTPUTS:
            found = f'unknown kind "{kind}"' if kind else "missing"
            problems.add((*key, "kind"), f"{found}; {did_you_mean(kind, OUTPUTS)}")
            continue
        row, errors = validate(OUTPUTS[kind], raw)
        for inner, text in errors:
            problems.add(key + inner, text)
        if row is None:
            continue
        if row.id in outputs:
            problems.add((*key, "id"), f'id "{row.id}" is used twice; give each its own')
        client = row.host, row.port, row.client_id
        if client in clients:
            what = f'"{row.client_id}" is that of {clients[client]}; give each client its own'
            problems.add((*key, "client_id"), what)
        clients[client] = f'output "{row.id}"'
        known = set().union(*((figure_names or {}).get(scope, set()) for scope in row.scope))
        for name in row.figures if figure_names else ():
            if name not in known:
                hint = did_you_mean(name, sorted(known))
                problems.add((*key, "figures"), f'no figure "{name}" of this scope; {hint}')
        options = row.model_dump(exclude={"id", "kind"})
        if "topic" in options:
            _check_topic(key, options["topic"], problems)
        outputs[row.id] = Output(row.id, raw["kind"], options)
    return tuple(outputs.values())


def _check_topic(key: Key, topic: str, problems: Problems) -> None:
    try:
        check(topic, TOPIC)
    except TemplateError as error:
        problems.add((*key, "topic"), str(error))
        return
    if "{entity}" not in topic:
        problems.add((*key, "topic"), "entities would share a topic; put {entity} into it")
    if set("+#\0") & set(topic) or topic.startswith("/") or topic.endswith("/"):
        problems.add((*key, "topic"), "must not hold + or #, nor begin or end with /")
