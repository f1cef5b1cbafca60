"""Measure Airflow with many tenants and DAGs side by side with Airflow without the plugin.

Each environment is a web application in its own process, with its own database: with the plugin for each
number of tenants and of DAGs, and without it for each number of DAGs. All get the same request in turn, so
that a busy machine slows them alike. Ratios compare the medians of the CPU time; the time is reported too.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for their servers

from sqlalchemy import create_engine
from tenancy_report import Memory, Report, check_goals, describe
from tenancy_requests import LOGIN, Environment, Request, can_send, choose_environments, choose_requests

ROWS, PROCESS = (str(Path(__file__).with_name(f"tenancy_{name}.py")) for name in ("rows", "process"))


class Process:
    """A web application in another process."""

    def __init__(self, environment: Environment, variables: dict[str, str]) -> None:
        self.environment = environment
        self._errors = Path(variables["AIRFLOW_HOME"], "errors.txt")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", PROCESS, environment.kind],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors.open("w"),
            text=True,
        )
        started = self._read()
        self.start: list[float] = started["start"]
        self.memory = Memory(started["rss"], started["uss"])
        self._ask(do="log_in_all", plugin=environment.plugin, tenants=environment.tenants > 0)

    def measure(self, request: Request, times: int) -> list[list[float]]:
        """Return the CPU time and the time of requests, in milliseconds."""
        if request.path == LOGIN:
            return self._ask(do="time_logins", caller=request.caller, times=times)
        return self._ask(do="time_requests", times=times, **request._asdict())

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, **command: object) -> Any:  # noqa: ANN401 - JSON
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:  # noqa: ANN401 - JSON
        line = next(iter(self._process.stdout or ()), None)
        if line is None:
            sys.exit(f"The application of {self.environment} has ended: {self._errors.read_text()[-4000:]}")
        return json.loads(line)


class Databases:
    """Databases that are copies of one with Airflow's tables, which took long to create."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self._folder = folder
        self._server = server
        self._prepared: dict[bool, str] = {}

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment variables of an Airflow on that database."""
        home = self._folder / name
        home.mkdir(exist_ok=True)
        return os.environ | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._url(name),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False",
            "AIRFLOW__PLATFORM__RATE_LIMIT_READ": "1000000/minute",
            "AIRFLOW__PLATFORM__RATE_LIMIT_WRITE": "1000000/minute",
        }

    def create(self, environment: Environment) -> dict[str, str]:
        """Create the database of an environment, and return its environment variables."""
        if environment.plugin not in self._prepared:
            self._prepared[environment.plugin] = self._prepare(environment.kind)
        name = "_".join(map(str, (environment.kind, environment.tenants, environment.dags)))
        self._copy(self._prepared[environment.plugin], name)
        variables = self.variables(name)
        run([ROWS, environment.kind, str(environment.tenants), str(environment.dags)], variables)
        return variables

    def _prepare(self, kind: str) -> str:
        name = f"{kind}_empty"
        if self._server is not None:
            self._execute(f"CREATE DATABASE {name}")
        variables = self.variables(name)
        run(["-m", "airflow", "db", "migrate"], variables)
        run([PROCESS, kind], variables)
        return name

    def _url(self, name: str) -> str:
        if self._server is None:
            return f"sqlite:///{self._folder / name}.db"
        return f"{self._server.rpartition('/')[0]}/{name}"

    def _copy(self, source: str, name: str) -> None:
        if self._server is None:
            shutil.copy(self._folder / f"{source}.db", self._folder / f"{name}.db")
        else:
            self._execute(f"CREATE DATABASE {name} TEMPLATE {source}")

    def _execute(self, statement: str) -> None:
        engine = create_engine(str(self._server), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


def run(arguments: list[str], variables: dict[str, str]) -> list[float]:
    """Run Python in a new process, and return its CPU time and its time in milliseconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stdout.decode() + done.stderr.decode())
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [cpu * 1000, (ended - started) * 1000]


def main() -> None:
    """Measure and print."""
    options = read_options()
    with (
        tempfile.TemporaryDirectory() as folder,
        server_for(options.database) as server,
        ExitStack() as stack,
    ):
        report = Report()
        databases = Databases(Path(folder), server)
        environments = choose_environments(options.tenants, options.dags)
        print("creating databases", file=sys.stderr)
        variables = {each: databases.create(each) for each in environments}
        for _ in range(options.starts):
            for each in environments:
                measure_commands(report, each, variables[each])
        processes = [Process(each, variables[each]) for each in environments]
        for process in processes:
            stack.callback(process.stop)
            report.add("start of the application", process.environment, [process.start])
        measure_requests(report, processes, options.rounds)
    memory = {process.environment: process.memory for process in processes}
    check_goals(report, environments)
    print(json.dumps(describe(report, environments, memory, options.database), indent=1))


def read_options() -> argparse.Namespace:
    """Return the command line's options."""
    numbers: Callable[[str], list[int]] = lambda text: sorted(map(int, text.split(",")))  # noqa: E731 - short
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tenants", type=numbers, default=[0, 100, 1000, 10_000], help="numbers of tenants")
    parser.add_argument(
        "--dags", type=numbers, default=[1, 1000, 10_000], help="numbers of DAGs of one tenant"
    )
    parser.add_argument("--rounds", type=int, default=12, help="rounds of three requests each")
    parser.add_argument("--starts", type=int, default=1, help="runs of sync-perm")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    return parser.parse_args()


@contextmanager
def server_for(database: str) -> Iterator[str | None]:
    """Run a database server for the benchmark, and yield its URL; None for SQLite."""
    if database == "sqlite":
        yield None
        return
    import servers

    server = servers.postgresql()
    try:
        yield server.url
    finally:
        server.stop()


def measure_commands(report: Report, environment: Environment, variables: dict[str, str]) -> None:
    """Measure the commands of Airflow that go through all roles."""
    hidden = [] if environment.plugin else ["from tenancy_process import hide_plugin; hide_plugin()"]
    code = ["import sys", f"sys.path.insert(0, {str(Path(__file__).parent)!r})", *hidden]
    code += ["sys.argv = ['airflow', 'sync-perm']", "from airflow.__main__ import main", "main()"]
    report.add("airflow sync-perm", environment, [run(["-c", "\n".join(code)], variables)])


def measure_requests(report: Report, processes: list[Process], rounds: int) -> None:
    """Send all requests to all processes in turn."""
    few_dags = min(each.environment.dags for each in processes)
    for request, times in choose_requests():
        print(request.name, file=sys.stderr)
        asked = [each for each in processes if can_send(request, each.environment)]
        for each in asked:
            each.measure(request, 2)  # imports and compiles
        for turn in range(rounds if times > 1 else min(rounds, 5)):
            for each in asked if turn % 2 else reversed(asked):
                # These ratios have the tightest goal.
                more = 3 if not each.environment.tenants and each.environment.dags == few_dags else 1
                report.add(request.name, each.environment, each.measure(request, times * more))


if __name__ == "__main__":
    main()
