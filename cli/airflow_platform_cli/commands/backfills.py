"""The commands ``airflow-cli backfills`` and ``airflow-cli dags backfill``, which creates them."""

import time
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import typer
from airflow_platform.models import BackfillFields

from airflow_platform_cli.arguments import DagArgument, parse_identifier, parse_json_object
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, print_message, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Backfills: runs of a DAG for ranges of dates.", no_args_is_help=True)

COLUMNS = ("backfill_id", "dag_id", "state", "start_date", "end_date", "progress", "message")
FIRST_RUN_COLUMNS = ("logical_date", "action", "dag_run_id")
POLL_INTERVAL = 5.0  # seconds

BackfillArgument = Annotated[
    str, typer.Argument(metavar="BACKFILL", parser=parse_identifier, help="Id of the backfill.")
]


class Reprocess(str, Enum):
    """Which existing runs a backfill clears."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


def backfill(
    dag_id: DagArgument,
    *,
    start_date: Annotated[str, typer.Option(metavar="DATE", help="First date, such as 2024-01-01.")],
    end_date: Annotated[str, typer.Option(metavar="DATE", help="Last date, included.")],
    conf: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_json_object, metavar="JSON", help="Configuration of each run."),
    ] = None,
    max_active_runs: Annotated[
        int | None, typer.Option(help="Maximum number of active runs; by default the DAG's.")
    ] = None,
    reprocess: Annotated[
        Reprocess, typer.Option(help="Existing runs to clear, so that they run again.")
    ] = Reprocess.NONE,
    run_backwards: Annotated[bool, typer.Option("--run-backwards", help="Start with the last date.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and create nothing.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all runs have ended, and print the progress.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a DAG for each date of its schedule in a range."""
    with connect() as client:
        created: BackfillFields = client.dags.backfill(
            dag_id,
            start_date,
            end_date,
            conf=conf,
            max_active_runs=max_active_runs,
            reprocess=reprocess.value,
            run_backwards=run_backwards,
            dry_run=dry_run,
        )
        if dry_run:
            _show_plan(created, output)
            return
        if wait:
            created = _wait(created, client.backfills.get)
        _show(created, output)
    if wait and created.state != "completed":
        raise CommandError(f"Backfill {created.backfill_id} is {created.state}. {created.message or ''}")


@app.command("list")
def list_(
    dag: Annotated[str | None, typer.Option(help="Only backfills of this DAG.")] = None,
    state: Annotated[str | None, typer.Option(help="Only backfills in this state, such as running.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List backfills, the newest first."""
    with connect() as client:
        show_list(client.backfills.list(dag_id=dag, state=state), COLUMNS, output)


@app.command()
def get(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Show the state and the progress of a backfill."""
    with connect() as client:
        _show(client.backfills.get(backfill_id), output)


@app.command()
def pause(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Pause a backfill: it starts no further runs until you resume it."""
    with connect() as client:
        _show(client.backfills.pause(backfill_id), output)


@app.command()
def resume(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Resume a paused backfill."""
    with connect() as client:
        _show(client.backfills.resume(backfill_id), output)


@app.command()
def cancel(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Cancel a backfill: it starts no further runs, and its queued runs are removed."""
    with connect() as client:
        _show(client.backfills.cancel(backfill_id), output)


def _show(item: BackfillFields, output: Format) -> None:
    # The earliest dates are for dry runs only.
    item.first_runs = []
    show(item, output)


def _show_plan(plan: BackfillFields, output: Format) -> None:
    if output is not Format.TABLE:
        show(plan, output)
        return
    show_list(plan.first_runs, FIRST_RUN_COLUMNS, output)
    more = plan.progress.total - len(plan.first_runs)
    if more > 0:
        print_message(f"and {'about ' if plan.progress.total_is_estimate else ''}{more} more")


def _wait(item: BackfillFields, get: Callable[[str], BackfillFields]) -> BackfillFields:
    """Wait until a backfill has ended, and print its progress when it changes."""
    printed = ""
    while True:
        line = ": ".join(filter(None, (item.state, str(item.progress), item.message)))
        if line != printed:
            printed = line
            print_message(line)
        if item.is_finished:
            return item
        time.sleep(POLL_INTERVAL)
        item = get(str(item.backfill_id))
