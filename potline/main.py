"""The command line. Heavy rooms are imported inside the commands that need them."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from potline.exits import FOUND, INTERRUPTED, INVALID, UNREACHABLE, Failure

app = typer.Typer(
    name="potline",
    help="Real-time energy and emissions monitoring for aluminium smelter potlines.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=(
        f"Exit status: 0 done; {FOUND} something is wrong with the data; {INVALID} wrong usage, "
        f"plant file or input; {UNREACHABLE} a needed server is out of reach; "
        f"{INTERRUPTED} stopped by Ctrl-C before the work was done."
    ),
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"potline {version('potline')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    pass


PlantFile = Annotated[Path, typer.Argument(metavar="PLANT", help="The plant file (plant.toml).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
From = Annotated[str | None, typer.Option("--from", help="ISO 8601, or relative as -1h.")]
To = Annotated[str | None, typer.Option("--to", help="ISO 8601, or relative as -5min.")]
Of = Annotated[str, typer.Option("--of", help="A cell, line, boiler or the site, by id.")]


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    port: Annotated[int, typer.Option(help="Port of the page; 0: any free one.")] = 8600,
    seed: Annotated[int, typer.Option(help="Seed of the simulated plant.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("var/demo"),
) -> None:
    """A simulated smelter, collected, computed and shown on a page, in one go."""
    from potline.demo import run_demo

    run_demo(seconds, port, seed, folder)


@app.command()
def run(
    plant: PlantFile,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; the plant file's.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; the plant file's.")] = None,
) -> None:
    """Collect, compute, alarm and show the plant of PLANT until stopped."""
    from potline.heap import modest, starting

    modest()
    starting()
    from potline.running import run_plant

    run_plant(plant, seconds, host, port)


@app.command()
def simulate(
    plant: PlantFile,
    seed: Annotated[int, typer.Option(help="Same seed, same plant.")] = 1,
    speed: Annotated[float, typer.Option(help="Times real time, until the present.")] = 1.0,
    since: Annotated[
        float, typer.Option(help="With --speed: seconds in the past to start.")
    ] = 3600.0,
    scenario: Annotated[Path | None, typer.Option(help="A file of faults (TOML).")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder for the truth (Parquet).")] = None,
    control: Annotated[
        int | None, typer.Option(help="Loopback port that takes faults on demand.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    sensor_errors: Annotated[
        bool, typer.Option(help="Instruments err as accurate as the plant file says.")
    ] = False,
    fast: Annotated[
        bool, typer.Option(help="OPC UA for 160,000 tags a second, and hostile if told so.")
    ] = False,
    wave: Annotated[
        bool, typer.Option(help="Values are a hash of tag and time instead of a plant.")
    ] = False,
    aligned: Annotated[
        bool, typer.Option(help="With --wave: all tags at whole multiples of their interval.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="With --fast: the server's certificate; secured only.")
    ] = None,
    private_key: Annotated[Path | None, typer.Option(help="Of the certificate.")] = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> None:
    """Serve the plant's own tags over OPC UA and MQTT from a simulated plant."""
    from potline.running import Server, run_simulator

    server = Server(fast, wave, aligned, certificate, private_key)
    run_simulator(
        plant, seed, speed, since, scenario, truth, control, seconds, sensor_errors, until_eof,
        server,
    )  # fmt: skip


@app.command()
def dataset(
    plant: PlantFile,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder or a new one.")],
    days: Annotated[int, typer.Option(min=1, help="How many.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    start: Annotated[
        str, typer.Option("--from", help="First day, in the site's zone.")
    ] = "2026-01-01",
    scenario: Annotated[Path | None, typer.Option(help="A file of faults (TOML).")] = None,
    sensor_errors: Annotated[
        bool, typer.Option(help="Instruments err as accurate as the plant file says.")
    ] = True,
) -> None:
    """A labelled data set of the simulated plant in Parquet: samples, truth, labels."""
    from potline.datasets import write_dataset

    write_dataset(plant, folder, days, seed, start, scenario, sensor_errors)


@app.command()
def check(
    plant: PlantFile,
    connect: Annotated[bool, typer.Option(help="Also try every server.")] = False,
    json: Json = False,
) -> None:
    """Read PLANT strictly and say what it holds, or everything that is wrong with it."""
    from potline.checking import check_plant

    check_plant(plant, connect, json)


@app.command()
def doctor(plant: PlantFile, json: Json = False) -> None:
    """What may go wrong with PLANT on this machine: clock, disk, certificates, servers, limits."""
    from potline.doctor import examine_plant

    examine_plant(plant, json)


@app.command()
def top(
    url: Annotated[
        str, typer.Argument(metavar="[URL]", help="Of a running potline.")
    ] = "http://127.0.0.1:8600",
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    json: Json = False,
) -> None:
    """Live view of a running potline: sources, rates, lag, skew, spool, store, beats, alarms."""
    from potline.top import show_top

    show_top(url, once, json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the plant file, for editors."""
    import json as encoder

    from plant.schema import json_schema

    typer.echo(encoder.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command()
def figures(
    plant: PlantFile,
    of: Of,
    figure: Annotated[
        list[str] | None, typer.Option(help="A figure by name; repeat. All when not given.")
    ] = None,
    start: From = None,
    end: To = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Figures kept for one cell, line, boiler or the site."""
    from potline.asking import show_figures

    show_figures(plant, of, figure, start, end, format.value, output)


@app.command()
def explain(
    plant: PlantFile,
    of: Of,
    figure: Annotated[str, typer.Option(help="The figure by name.")],
    at: Annotated[str | None, typer.Option(help="Time; the newest kept when not given.")] = None,
    json: Json = False,
) -> None:
    """A figure's formula, its inputs with their values, and its factors with their sources."""
    from potline.asking import show_explanation

    show_explanation(plant, of, figure, at, json)


@app.command(name="import")
def import_(
    plant: PlantFile,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet, wide or long.")],
    time_zone: Annotated[
        str | None, typer.Option(help="Of times without one; the site's when not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Take a historian's export into the store, then compute it like live data."""
    from potline.importing import import_file

    import_file(plant, file, time_zone, json)


@app.command()
def enter(
    plant: PlantFile,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ENTITY|FILE",
            help="A cell or boiler, by id; or a CSV: entity,signal,time,value[,unit,who,comment,"
            "entered].",
        ),
    ],
    signal: Annotated[str | None, typer.Argument(help="E.g. bath_temperature, tap_mass.")] = None,
    value: Annotated[str, typer.Argument(help="A number, or the word withdraw.")] = "",
    at: Annotated[str, typer.Option(help="When the sample was taken.")] = "now",
    unit: Annotated[str, typer.Option(help="Of the value; the signal's when not given.")] = "",
    who: Annotated[str, typer.Option(help="Who enters it; else the login name.")] = "",
    comment: Annotated[str, typer.Option(help="Kept with the value.")] = "",
    json: Json = False,
) -> None:
    """Enter what is analysed or measured by hand: bath, temperature, level, taps, anode changes."""
    from potline.entering import enter_file, enter_value

    if signal is None:
        enter_file(plant, Path(what), who, json)
        return
    row = {"entity": what, "signal": signal, "time": at, "value": value, "unit": unit,
           "comment": comment}  # fmt: skip
    enter_value(plant, row, who, json)


@app.command()
def analyse(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV or Parquet: time, voltage_V[, current_kA, target_V]."
        ),
    ],
    current_kA: Annotated[
        float | None, typer.Option("--current-kA", help="When the file has no current_kA.")
    ] = None,
    target_V: Annotated[
        float | None, typer.Option("--target-V", help="When the file has no target_V.")
    ] = None,
    v_on: Annotated[float, typer.Option(help="An anode effect is above this, V.")] = 8.0,
    t_on: Annotated[float, typer.Option(help="For at least so long, s.")] = 3.0,
    v_off: Annotated[float, typer.Option(help="And ends at this, V.")] = 8.0,
    t_merge: Annotated[float, typer.Option(help="One that follows sooner is the same, s.")] = 900,
    time_zone: Annotated[str, typer.Option(help="Of the days.")] = "UTC",
    json: Json = False,
) -> None:
    """One cell's trace: energy, charge, voltage, anode effects, spikes, completeness."""
    from plant.model import AnodeEffectRule
    from potline.times import zone_of
    from potline.tracing import analyse_file

    rule = AnodeEffectRule(v_on_V=v_on, t_on_s=t_on, v_off_V=v_off, t_merge_s=t_merge)
    analyse_file(file, current_kA, target_V, json, rule, zone_of(time_zone))


@app.command()
def formula(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A formula; all of them when not given.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Its keys; how they are when not given."),
    ] = None,
    plant: Annotated[
        Path | None, typer.Option(metavar="PLANT", help="Take the factors of this plant file.")
    ] = None,
    json: Json = False,
) -> None:
    """Any formula by hand: results with units, and the factors used with their sources."""
    from potline.calculating import calculate

    calculate(name, given or (), plant, json)


@app.command()
def replay(plant: PlantFile, start: From = None, end: To = None, json: Json = False) -> None:
    """Run kept samples through the same code again and compare with the figures kept live."""
    from potline.replaying import replay_range

    replay_range(plant, start, end, json)


@app.command()
def restate(
    plant: PlantFile,
    cause: Annotated[
        str | None,
        typer.Option(help="Why, for the record; without it: only what is due already."),
    ] = None,
    start: From = None,
    end: To = None,
    json: Json = False,
) -> None:
    """Compute kept figures again with PLANT as it is now; what they were stays on record."""
    from potline.restating import restate as again

    again(plant, start, end, cause, json)


@app.command()
def correct(
    plant: PlantFile,
    tag: Annotated[str, typer.Argument(help="The tag, by id.")],
    start: Annotated[str, typer.Option("--from", help="ISO 8601, or relative as -1h.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601, or relative as -5min.")],
    cause: Annotated[str, typer.Option(help="Why, for the record.")],
    who: Annotated[str, typer.Option(help="Who says so.")] = "",
    scale: Annotated[float, typer.Option(help="Readings count as reading * scale.")] = 1.0,
    offset: Annotated[float, typer.Option(help="And plus this, in the tag's unit.")] = 0.0,
    bad: Annotated[bool, typer.Option(help="The readings count as bad.")] = False,
) -> None:
    """Correct a meter's kept readings of the past; the samples themselves stay as they came."""
    from potline.restating import correct as put_right

    put_right(plant, tag, start, end, scale, offset, bad, who, cause)


@app.command()
def corrections(
    plant: PlantFile,
    withdraw: Annotated[
        int | None, typer.Option(metavar="ID", help="Take this one back; it stays on record.")
    ] = None,
    json: Json = False,
) -> None:
    """The corrections of meters that were made, by whom and why."""
    from potline.restating import corrections as told

    told(plant, withdraw, json)


@app.command()
def restatements(plant: PlantFile, start: From = None, end: To = None, json: Json = False) -> None:
    """What was computed again, why, and how many figures became different."""
    from potline.restating import restatements as told

    told(plant, start, end, json)


@app.command()
def baseline(
    plant: PlantFile,
    of: Annotated[
        str, typer.Option("--of", help="A line, the site, or cells: L1-001..L1-012, L1/A.")
    ],
    period: Annotated[str, typer.Option("--baseline", help="FROM,TO: the days to learn from.")],
    report: Annotated[
        str | None, typer.Option("--report", help="FROM,TO: the days whose savings to tell.")
    ] = None,
    energy: Annotated[str, typer.Option(help="The daily figure; the DC energy.")] = "",
    driver: Annotated[
        list[str] | None, typer.Option(help="What drives it, a daily figure; repeat. The metal.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Take the columns of this file: day and one for each name.")
    ] = None,
    json: Json = False,
) -> None:
    """Regression baseline of an energy with its statistics, and savings against it (ISO 50006)."""
    from potline.baselines import Asked, run_baseline

    run_baseline(plant, Asked(of, energy, driver or [], period, report, csv), json)


@app.command()
def compare(
    plant: PlantFile,
    cells: Annotated[str, typer.Option(help="With the measure: L1-001,L1-005..L1-008, L1/A.")],
    control: Annotated[str, typer.Option(help="Without it, of the same line.")],
    before: Annotated[str, typer.Option(help="FROM,TO: local days before the measure.")],
    after: Annotated[str, typer.Option(help="FROM,TO: local days with it.")],
    figure: Annotated[
        list[str] | None, typer.Option(help="A daily figure of cells; repeat.")
    ] = None,
    json: Json = False,
) -> None:
    """What a retrofit or set-point campaign did: difference in differences over cells."""
    from potline.comparing import run_comparison

    run_comparison(plant, cells, control, before, after, figure, json)


@app.command(name="what-if")
def what_if(
    plant: PlantFile,
    cells: Annotated[str, typer.Option(help="L1-001,L1-005..L1-008, a line or L1/A.")],
    mV: Annotated[float, typer.Option("--mV", help="Change of the set voltage.")],
    noise_limit: Annotated[
        float | None, typer.Option("--noise-limit", help="mV; the factor's when not given.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Time; the newest kept when not given.")] = None,
    json: Json = False,
) -> None:
    """What another set voltage would do in energy, emissions and money, and what is against it."""
    from potline.what_if import ask_what_if

    ask_what_if(plant, cells, mV, noise_limit, at, json)


@app.command()
def meters(plant: PlantFile, start: From = None, end: To = None, json: Json = False) -> None:
    """Can the meters be trusted: register, counters, balances, suspect tags, what is alive."""
    from potline.metering import show_meters

    show_meters(plant, start, end, json)


@app.command()
def plausible(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Claims: TOML with [[claim]], or JSON.")
    ],
    plant: Annotated[
        Path | None, typer.Option(help="Take the limits and factors of this plant file.")
    ] = None,
    json: Json = False,
) -> None:
    """Hold savings, factors, capacities and shares against physics and against each other."""
    from potline.metering import show_verdicts

    show_verdicts(file, plant, json)


@app.command()
def audit(plant: PlantFile, json: Json = False) -> None:
    """Does received = stored + spooled + rejected, for every source and as the store counts?"""
    from potline.auditing import audit_plant

    audit_plant(plant, json)


@app.command()
def chaos(
    plant: PlantFile,
    seconds: Annotated[float, typer.Option(min=10, help="How long faults begin.")] = 120.0,
    faults: Annotated[int, typer.Option(min=0, help="How many, if they fit.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same faults at the same times.")] = 1,
    rate: Annotated[
        float,
        typer.Option(help="Samples a second: OPC UA tags faster than PLANT says; 0: as it says."),
    ] = 0.0,
    only: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Of these kinds alone; repeat.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report (Markdown) here.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the folder with logs and data.")] = False,
    most_gb: Annotated[float, typer.Option(help="The storm ends where it would take more.")] = 8.0,
    json: Json = False,
) -> None:
    """A storm of faults against PLANT, simulated on this machine; is every sample accounted for?"""
    from potline.chaos.command import run_chaos
    from potline.chaos.storm import Asked

    asked = Asked(plant, seconds, faults, seed, rate, most_gb, tuple(only or ()))
    run_chaos(asked, report, keep, json)


trust = typer.Typer(
    name="trust",
    help="Which certificates of OPC UA servers are trusted: list, add, reject, show.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(trust)
Thumbprint = Annotated[str, typer.Argument(metavar="THUMBPRINT", help="As `list` shows it.")]


@trust.command(name="list")
def trust_list(plant: PlantFile, json: Json = False) -> None:
    """Our own certificate, those trusted, those of issuers, and those that servers showed."""
    from potline.trusting import list_trust

    list_trust(plant, json)


@trust.command(name="add")
def trust_add(
    plant: PlantFile,
    what: Annotated[
        str, typer.Argument(metavar="THUMBPRINT|FILE", help="Of a rejected one; or PEM or DER.")
    ],
    json: Json = False,
) -> None:
    """Trust a certificate of a server or of an issuer; a running collector connects at once."""
    from potline.trusting import add

    add(plant, what, json)


@trust.command(name="reject")
def trust_reject(plant: PlantFile, thumbprint: Thumbprint, json: Json = False) -> None:
    """Trust it no longer; a running collector leaves the server at once."""
    from potline.trusting import reject

    reject(plant, thumbprint, json)


@trust.command(name="show")
def trust_show(
    plant: PlantFile,
    what: Annotated[
        str,
        typer.Argument(
            metavar="THUMBPRINT|own", help="Or our own, which is made when there is none."
        ),
    ],
    json: Json = False,
) -> None:
    """All that a certificate says: names, issuer, validity, where it is kept."""
    from potline.trusting import show

    show(plant, what, json)


@app.command()
def browse(
    plant: PlantFile,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An OPC UA source, by id.")],
    pattern: Annotated[str, typer.Option(help="Of paths and nodes: `*voltage*`.")] = "*",
    csv: Annotated[
        Path | None, typer.Option(help="Write them as [[tags_csv]] of the plant file reads it.")
    ] = None,
    json: Json = False,
) -> None:
    """What variables SOURCE has, and which tags of the plant they may be."""
    from potline.browsing import browse_source

    browse_source(plant, source, pattern, csv, json)


@app.command(hidden=True)
def warm() -> None:
    """Compile the kernels into their cache, so that the first start is quick."""
    from potline.warming import warm_all

    warm_all()


def run_app() -> None:
    """Entry point: one clear line and a meaningful status for everything that can go wrong."""
    try:
        app(standalone_mode=True)
    except Failure as failure:
        for line in failure.lines:
            typer.echo(line, err=True)
        sys.exit(failure.status)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run_app()
