"""``airflow-cli tasks``."""

import time
from typing import Annotated

import typer
from airflow_platform import PlatformClient

from airflow_platform_cli.arguments import DagArgument, Period, identifier, period
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, note, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Tasks of DAGs, and their instances in runs.", no_args_is_help=True)

COLUMNS = ("task_id", "operator_name", "trigger_rule", "retries", "downstream_task_ids")
FINISHED = ("success", "failed", "skipped", "upstream_failed", "removed")
FOLLOW_INTERVAL = 2.0
LOG_PREAMBLE_END = "::endgroup::\n"

TaskOption = Annotated[str, typer.Option("--task", parser=identifier, metavar="TASK")]
DateOption = Annotated[
    Period | None,
    typer.Option(
        "--execution-date", parser=period, metavar="DATE", help="The run's logical date: a day or an instant."
    ),
]
RunOption = Annotated[str | None, typer.Option(parser=identifier, metavar="RUN", help="The run itself.")]


@app.command("list")
def list_(dag_id: DagArgument, output: OutputOption = Format.TABLE) -> None:
    """List the tasks of a DAG."""
    with connect() as client:
        show_list(client.tasks.list(dag_id), COLUMNS, output)


@app.command()
def get(
    dag_id: DagArgument,
    task_id: Annotated[str, typer.Argument(metavar="TASK", parser=identifier)],
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a task."""
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
    """Let a task run again in one run."""
    with connect() as client:
        run_id = run_id or _find_run(client, dag_id, execution_date)
        cleared = client.tasks.clear(dag_id, task, run_id)
        show_list(cleared, ("dag_id", "dag_run_id", "task_id"), output)
    if not cleared:
        note("Nothing was cleared.")


@app.command()
def logs(
    dag_id: DagArgument,
    task: TaskOption,
    execution_date: DateOption = None,
    run_id: RunOption = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the task has finished.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print what a task wrote in its latest try."""
    if follow and output is not Format.TABLE:
        raise typer.BadParameter("--follow prints text as it comes.")
    with connect() as client:
        run_id = run_id or _find_run(client, dag_id, execution_date)
        if output is not Format.TABLE:
            attempt = client.tasks.get_instance(dag_id, task, run_id).try_number
            text = client.tasks.get_logs(dag_id, task, run_id, attempt) if attempt else ""
            answer = {"dag_id": dag_id, "dag_run_id": run_id, "task_id": task, "try_number": attempt}
            show(answer | {"logs": text}, output)
            return
        current, headed, printed = 0, False, ""
        while True:
            # The state is asked before the log, so that the log of a finished task is whole.
            instance = client.tasks.get_instance(dag_id, task, run_id)
            finished = instance.state in FINISHED
            if instance.try_number:
                preamble, text = _log(client, dag_id, task, run_id, instance.try_number)
                if instance.try_number != current:
                    current, headed, printed = instance.try_number, False, ""
                if preamble and not headed:
                    print(preamble, end="")
                    headed = True
                print(_unseen(printed, text), end="", flush=True)
                printed = text if len(text) > len(printed) else printed
            if finished or not follow:
                break
            time.sleep(FOLLOW_INTERVAL)
    if not current:
        note("The task has not started." if not finished else f"The task did not run: {instance.state}.")


def _log(client: PlatformClient, dag_id: str, task: str, run_id: str, attempt: int) -> tuple[str, str]:
    """Airflow's words on where the log was found, which change while the task runs, and the log."""
    text = client.tasks.get_logs(dag_id, task, run_id, attempt)
    preamble, mark, log = text.partition(LOG_PREAMBLE_END)
    if mark:
        return preamble + mark, log
    # Before a task has written anything Airflow answers with an empty line, which is no part of the log.
    return "", text if text.strip() else ""


def _unseen(printed: str, text: str) -> str:
    """Return what of the log was not printed yet; all of it where it begins otherwise than before."""
    return "" if printed.startswith(text) else text.removeprefix(printed)


def _find_run(client: PlatformClient, dag_id: str, date: Period | None) -> str:
    if date is None:
        raise typer.BadParameter("Say which run: --execution-date or --run-id.")
    runs = list(client.dags.runs(dag_id, execution_date_gte=date.first, execution_date_lte=date.last))
    if not runs:
        raise CommandError(f"No run of {dag_id} has the logical date {date.text}")
    if len(runs) > 1:
        found = ", ".join(run.dag_run_id for run in runs)
        raise CommandError(
            f"Several runs of {dag_id} have the logical date {date.text}: {found}; choose one with --run-id"
        )
    return runs[0].dag_run_id
