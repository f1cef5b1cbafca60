"""The commands ``airflow-cli tasks``."""

import time
from typing import Annotated

import typer
from airflow_platform import PlatformClient
from airflow_platform.models import TaskInstance

from airflow_platform_cli.arguments import DagArgument, Period, parse_identifier, parse_period
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, print_message, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Tasks of DAGs and their instances in runs.", no_args_is_help=True)

COLUMNS = ("task_id", "operator_name", "trigger_rule", "retries", "downstream_task_ids")
FINISHED = ("success", "failed", "skipped", "upstream_failed", "removed")
FOLLOW_INTERVAL = 2.0  # seconds
LOG_PREAMBLE_END = "::endgroup::\n"

TaskOption = Annotated[
    str, typer.Option("--task", parser=parse_identifier, metavar="TASK", help="Id of the task.")
]
DateOption = Annotated[
    Period | None,
    typer.Option(
        "--execution-date",
        parser=parse_period,
        metavar="DATE",
        help="Logical date of the run: a day or a time.",
    ),
]
RunOption = Annotated[str | None, typer.Option(parser=parse_identifier, metavar="RUN", help="Id of the run.")]


@app.command("list")
def list_(dag_id: DagArgument, output: OutputOption = Format.TABLE) -> None:
    """List the tasks of a DAG."""
    with connect() as client:
        show_list(client.tasks.list(dag_id), COLUMNS, output)


@app.command()
def get(
    dag_id: DagArgument,
    task_id: Annotated[str, typer.Argument(metavar="TASK", parser=parse_identifier, help="Id of the task.")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a task of a DAG."""
    with connect() as client:
        show(client.tasks.get(dag_id, task_id), output)


@app.command()
def clear(
    dag_id: DagArgument,
    task: TaskOption,
    execution_date: DateOption = None,
    run_id: RunOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Clear a task in a run, so that it runs again."""
    with connect() as client:
        run_id = run_id or _find_run(client, dag_id, execution_date)
        cleared = client.tasks.clear(dag_id, task, run_id)
        show_list(cleared, ("dag_id", "dag_run_id", "task_id"), output)
    if not cleared:
        print_message("Nothing was cleared.")


@app.command()
def logs(
    dag_id: DagArgument,
    task: TaskOption,
    execution_date: DateOption = None,
    run_id: RunOption = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Print the log as it grows, until the task has finished.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print the log of a task's latest try in a run."""
    if follow and output is not Format.TABLE:
        raise typer.BadParameter("--follow prints text only; leave out --output.")
    with connect() as client:
        run_id = run_id or _find_run(client, dag_id, execution_date)
        if output is not Format.TABLE:
            try_number = client.tasks.get_instance(dag_id, task, run_id).try_number
            text = client.tasks.get_logs(dag_id, task, run_id, try_number) if try_number else ""
            fields = {"dag_id": dag_id, "dag_run_id": run_id, "task_id": task, "try_number": try_number}
            show(fields | {"logs": text}, output)
            return
        printer = _LogPrinter(client)
        while True:
            # The state is fetched before the log, so that the log of a finished task is complete.
            instance = client.tasks.get_instance(dag_id, task, run_id)
            finished = instance.state in FINISHED
            printer.print_new(instance)
            if finished or not follow:
                break
            time.sleep(FOLLOW_INTERVAL)
    if not printer.try_number:
        print_message(f"The task did not run: {instance.state}." if finished else "The task has not started.")


class _LogPrinter:
    """Prints the log of a task instance piece by piece, over all its tries."""

    def __init__(self, client: PlatformClient) -> None:
        self.try_number = 0
        self._client = client
        self._preamble_printed = False
        self._printed = ""

    def print_new(self, instance: TaskInstance) -> None:
        """Print what was added to the log since the last call."""
        if not instance.try_number:
            return
        preamble, log = self._fetch(instance, instance.try_number)
        if instance.try_number != self.try_number:
            self.try_number, self._preamble_printed, self._printed = instance.try_number, False, ""
        if preamble and not self._preamble_printed:
            print(preamble, end="")
            self._preamble_printed = True
        # If the log does not begin as before, print all of it.
        new = "" if self._printed.startswith(log) else log.removeprefix(self._printed)
        print(new, end="", flush=True)
        self._printed = max(self._printed, log, key=len)

    def _fetch(self, instance: TaskInstance, try_number: int) -> tuple[str, str]:
        """Return Airflow's preamble, which changes while the task runs, and the log itself."""
        ids = (instance.dag_id, instance.task_id, instance.dag_run_id)
        text = self._client.tasks.get_logs(*ids, try_number)
        preamble, mark, log = text.partition(LOG_PREAMBLE_END)
        if mark:
            return preamble + mark, log
        # Before a task has written anything, Airflow sends an empty line, which is not part of the log.
        return "", text if text.strip() else ""


def _find_run(client: PlatformClient, dag_id: str, date: Period | None) -> str:
    """Return the id of the run with a logical date."""
    if date is None:
        raise typer.BadParameter("Which run? Give --execution-date or --run-id.")
    runs = list(client.dags.runs(dag_id, execution_date_gte=date.first, execution_date_lte=date.last))
    if not runs:
        raise CommandError(f"No run of {dag_id} has the logical date {date.text}")
    if len(runs) > 1:
        ids = ", ".join(run.dag_run_id for run in runs)
        raise CommandError(
            f"Several runs of {dag_id} have the logical date {date.text}: {ids}; choose one with --run-id"
        )
    return runs[0].dag_run_id
