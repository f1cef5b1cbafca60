"""``airflow-cli backfills``, and ``dags backfill``, which makes them."""

import time
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import typer
from airflow_platform.models import BackfillFields

from airflow_platform_cli.arguments import DagArgument, identifier, json_object
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, note, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Runs for ranges of dates.", no_args_is_help=True)

COLUMNS = ("backfill_id", "dag_id", "state", "start_date", "end_date", "progress", "message")
FIRST_RUN_COLUMNS = ("logical_date", "action", "dag_run_id")
POLL_INTERVAL = 5.0  # seconds

BackfillArgument = Annotated[str, typer.Argument(metavar="BACKFILL", parser=identifier)]


class Reprocess(str, Enum):
    """What is done where a date has a run already."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


def backfill(
    dag_id: DagArgument,
    *,
    start_date: Annotated[str, typer.Option(metavar="DATE", help="The first date, such as 2024-01-01.")],
    end_date: Annotated[str, typer.Option(metavar="DATE", help="The last date, which is included.")],
    conf: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=json_object, metavar="JSON", help="What each run is told."),
    ] = None,
    max_active_runs: Annotated[int | None, typer.Option(help="How many runs are active at once.")] = None,
    reprocess: Annotated[
        Reprocess, typer.Option(help="Which runs that are there already are run again.")
    ] = Reprocess.NONE,
    run_backwards: Annotated[bool, typer.Option("--run-backwards", help="From the last date on.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until all runs have ended; tell the progress.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a DAG for each date of its schedule in a range."""
    with connect() as client:
        made: BackfillFields = client.dags.backfill(
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
            _show_plan(made, output)
            return
        if wait:
            made = _follow(made, client.backfills.get)
        _show(made, output)
    if wait and made.state != "completed":
        raise CommandError(f"Backfill {made.backfill_id} is {made.state}. {made.message or ''}")


@app.command("list")
def list_(
    dag: Annotated[str | None, typer.Option(help="Only this DAG's.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List backfills, the newest first."""
    with connect() as client:
        show_list(client.backfills.list(dag_id=dag, state=state), COLUMNS, output)


@app.command()
def get(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Show how far a backfill has come."""
    with connect() as client:
        _show(client.backfills.get(backfill_id), output)


@app.command()
def pause(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Make no further runs until it is resumed."""
    with connect() as client:
        _show(client.backfills.pause(backfill_id), output)


@app.command()
def resume(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Go on with a paused backfill."""
    with connect() as client:
        _show(client.backfills.resume(backfill_id), output)


@app.command()
def cancel(backfill_id: BackfillArgument, output: OutputOption = Format.TABLE) -> None:
    """Make no further runs, and take back those that have not started."""
    with connect() as client:
        _show(client.backfills.cancel(backfill_id), output)


def _show(made: BackfillFields, output: Format) -> None:
    # The earliest dates are of interest before, not after.
    made.first_runs = []
    show(made, output)


def _show_plan(plan: BackfillFields, output: Format) -> None:
    if output is not Format.TABLE:
        show(plan, output)
        return
    show_list(plan.first_runs, FIRST_RUN_COLUMNS, output)
    more = plan.progress.total - len(plan.first_runs)
    if more > 0:
        note(f"and {'about ' if plan.progress.total_is_estimate else ''}{more} more")


def _follow(made: BackfillFields, get: Callable[[str], BackfillFields]) -> BackfillFields:
    told = ""
    while True:
        now = ": ".join(filter(None, (made.state, str(made.progress), made.message)))
        if now != told:
            told = now
            note(now)
        if made.is_finished:
            return made
        time.sleep(POLL_INTERVAL)
        made = get(str(made.backfill_id))
