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
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for their servers

from sqlalchemy import create_engine

ROWS, PROCESS = (str(Path(__file__).with_name(f"tenancy_{name}.py")) for name in ("rows", "process"))
FLAT, LIKE_STOCK, UNTOUCHED = 1.1, 1.1, 1.03
CREATE_MS, USERS_MS, USERS_AT = 30, 300, 1000

STOCK_PATHS = ("/api/v1/dags?limit=1", "/api/v1/dags?limit=100", "/home", "/api/v1/dags/~/dagRuns?limit=10")
UNTOUCHED_PATHS = ("/api/v1/dags?limit=1", "/api/v1/pools", "/home")
LISTS = (
    "/api/v1/platform/tenants",
    "/api/v1/platform/connections",
    "/api/v1/platform/webhooks",
    "/api/v1/datakits",
    "/api/v1/datakits/deployments",
)
# The stock caller to compare each caller with, who may see the same DAGs.
PEERS = {
    "admin": "admin",
    "viewer": "viewer",
    "tenant_admin": "user",
    "member": "user",
    "tenant_viewer": "user",
    "key": "user",
}
TENANT_CALLERS = ("tenant_admin", "member", "tenant_viewer", "key")
PAGES = ("/roles/list/", "/users/list/", "/users/add", "/users/edit/1")
NEW_TENANT = {"tenant_id": "new-{n}", "display_name": "New", "namespace": "new-{n}"}


class Environment(NamedTuple):
    """One Airflow.

    Attributes:
        plugin: whether it loads the plugin.
        tenants: the number of tenants.
        dags: the number of DAGs, which all belong to the first tenant if there is one.
    """

    plugin: bool
    tenants: int
    dags: int

    @property
    def kind(self) -> str:
        """``with`` or ``without`` the plugin."""
        return "with" if self.plugin else "without"


class Request(NamedTuple):
    """What is measured: a request of a caller, or a login."""

    caller: str
    path: str
    method: str = "GET"
    body: dict[str, str] | None = None

    @property
    def name(self) -> str:
        """The name in the report."""
        return f"{self.caller} {'' if self.method == 'GET' else f'{self.method} '}{self.path}"


LOGIN = "login"


class Started(TypedDict):
    """What a new process says.

    Attributes:
        start: the CPU time and the time of the start of the application, in milliseconds.
        rss: the process's memory in kB.
        uss: the memory that it does not share with others, in kB.
    """

    start: list[float]
    rss: int
    uss: int


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
        self.started: Started = self._read()
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


class Report:
    """The medians, and whether they meet the goals."""

    def __init__(self) -> None:
        self._times: dict[str, dict[Environment, list[list[float]]]] = {}
        self.goals: list[dict[str, Any]] = []

    def add(self, name: str, environment: Environment, times: list[list[float]]) -> None:
        """Add measured times: pairs of the CPU time and the time, in milliseconds."""
        self._times.setdefault(name, {}).setdefault(environment, []).extend(times)

    def median(self, name: str, environment: Environment, column: int = 0) -> float | None:
        """Return the median, of the CPU time or of the time; None if it was not measured."""
        times = self._times.get(name, {}).get(environment)
        return statistics.median(each[column] for each in times) if times else None

    def table(self, column: int) -> dict[str, dict[str, float]]:
        """Return the medians by what was measured and by environment."""
        return {
            name: {
                f"{each.kind} {each.tenants} tenants {each.dags} dags": round(
                    self.median(name, each, column) or 0, 2
                )
                for each in found
            }
            for name, found in self._times.items()
        }

    def names(self) -> Iterator[str]:
        """Yield what was measured."""
        yield from self._times

    def check(self, goal: str, limit: float, values: dict[str, float]) -> None:
        """Compare values with a goal: none may be more than ``limit``."""
        missed = {name: round(value, 3) for name, value in values.items() if value > limit}
        worst = max(values, key=lambda name: values[name], default=None)
        self.goals.append(
            {
                "goal": goal,
                "limit": limit,
                "met": not missed,
                "worst": None if worst is None else {worst: round(values[worst], 3)},
                "missed": missed,
            }
        )


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
        variables = {each: databases.create(each) for each in environments}
        for _ in range(options.starts):
            for each in environments:
                measure_commands(report, each, variables[each])
        processes = [Process(each, variables[each]) for each in environments]
        for each in processes:
            stack.callback(each.stop)
            report.add("start of the application", each.environment, [each.started["start"]])
        measure_requests(report, processes, options.rounds)
        memory = {each.environment: each.started for each in processes}
    check_goals(report, environments)
    print(json.dumps(describe(report, environments, memory, options), indent=1))


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


def choose_environments(tenants: list[int], dags: list[int]) -> list[Environment]:
    """Return the environments: each number of tenants with few DAGs, of DAGs with few tenants."""
    few = next((each for each in tenants if each), 0)
    found = [Environment(plugin=True, tenants=each, dags=dags[0]) for each in tenants]
    found += [Environment(plugin=True, tenants=few, dags=each) for each in dags]
    found += [Environment(plugin=False, tenants=0, dags=each) for each in dags]
    return list(dict.fromkeys(found))


def measure_commands(report: Report, environment: Environment, variables: dict[str, str]) -> None:
    """Measure the commands of Airflow that go through all roles."""
    hidden = [] if environment.plugin else ["from tenancy_process import hide_plugin; hide_plugin()"]
    code = ["import sys", f"sys.path.insert(0, {str(Path(__file__).parent)!r})", *hidden]
    code += ["sys.argv = ['airflow', 'sync-perm']", "from airflow.__main__ import main", "main()"]
    report.add("airflow sync-perm", environment, [run(["-c", "\n".join(code)], variables)])


def measure_requests(report: Report, processes: list[Process], rounds: int) -> None:
    """Send all requests to all processes in turn."""
    for request, times in choose_requests():
        print(request.name, file=sys.stderr)
        asked = [each for each in processes if can_send(request, each.environment)]
        for each in asked:
            each.measure(request, 2)  # imports and compiles
        for turn in range(rounds if times > 1 else min(rounds, 5)):
            for each in asked if turn % 2 else reversed(asked):
                report.add(request.name, each.environment, each.measure(request, times))


def choose_requests() -> Iterator[tuple[Request, int]]:
    """Yield the requests, and how many to send in a row."""
    untouched = [Request(caller, path) for caller in ("admin", "viewer") for path in UNTOUCHED_PATHS]
    stock = [Request(caller, path) for caller in (*PEERS, "user") for path in STOCK_PATHS]
    lists = [Request(caller, path) for caller in ("admin", "tenant_admin", "member", "key") for path in LISTS]
    yield from ((each, 9) for each in untouched)
    yield from ((each, 3) for each in (*stock, *lists) if each not in untouched)
    yield Request("admin", "/api/v1/platform/tenants", "POST", NEW_TENANT), 3
    yield Request("admin", "/api/v1/platform/tenants/t0"), 3
    yield Request("tenant_admin", "/api/v1/platform/tenants/t0"), 3
    for caller in ("admin", "member"):
        yield Request(caller, LOGIN), 1
    for path in PAGES:
        yield Request("admin", path), 1


def can_send(request: Request, environment: Environment) -> bool:
    """Return whether the environment has the caller and the path."""
    if request == Request("key", "/home"):
        return False  # pages need a session
    if request.caller in TENANT_CALLERS or request.path.endswith("/t0"):
        return environment.tenants > 0
    is_ours = request.path.startswith(("/api/v1/platform", "/api/v1/datakits"))
    return environment.plugin or not is_ours


def check_goals(report: Report, environments: list[Environment]) -> None:
    """Compare the medians with the goals."""
    few_dags = min(each.dags for each in environments)
    flat, peers, untouched = {}, {}, {}
    for name in report.names():
        found = [each for each in environments if each.plugin and report.median(name, each) is not None]
        tenants = sorted((each for each in found if each.dags == few_dags), key=lambda each: each.tenants)
        for each in tenants[1:]:
            if not any(page in name for page in PAGES[1:]):
                ratio = compare(report, name, each, name, tenants[0])
                flat[f"{name}, {each.tenants} tenants to {tenants[0].tenants}"] = ratio
        caller, _, path = name.partition(" ")
        for each in found:
            stock = Environment(plugin=False, tenants=0, dags=each.dags)
            peer = f"{PEERS.get(caller, caller)} {path}"
            if report.median(peer, stock) is None:
                continue
            ratio = compare(report, name, each, peer, stock)
            if each.tenants and path in STOCK_PATHS:
                peers[f"{name}, {each.tenants} tenants, {each.dags} DAGs"] = ratio
            elif not each.tenants and path in UNTOUCHED_PATHS and caller != "user":
                untouched[name] = ratio
    report.check("a stock request is as fast as without the plugin", UNTOUCHED, untouched)
    report.check("flat in the number of tenants", FLAT, flat)
    report.check("as fast as stock Airflow with the same DAGs", LIKE_STOCK, peers)
    created = Request("admin", "/api/v1/platform/tenants", "POST").name
    report.check("milliseconds to create a tenant", CREATE_MS, walls(report, created, environments))
    pages = {}
    some = [each for each in environments if each.plugin and each.tenants <= USERS_AT]
    for path in PAGES[1:]:
        pages |= walls(report, Request("admin", path).name, some)
    report.check(f"milliseconds of the pages of users at {USERS_AT} tenants", USERS_MS, pages)


def compare(report: Report, name: str, one: Environment, peer: str, other: Environment) -> float:
    """Return how many times as much CPU time the one takes as the other."""
    return (report.median(name, one) or 0) / (report.median(peer, other) or 1)


def walls(report: Report, name: str, environments: list[Environment]) -> dict[str, float]:
    """Return the medians of the time by environment."""
    found = {each: report.median(name, each, 1) for each in environments}
    return {
        f"{name}, {each.kind} the plugin, {each.tenants} tenants, {each.dags} DAGs": value
        for each, value in found.items()
        if value is not None
    }


def describe(
    report: Report,
    environments: list[Environment],
    memory: dict[Environment, dict[str, Any]],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return the report, ready for JSON."""
    few_dags = min(each.dags for each in environments)
    smallest = Environment(
        plugin=True, tenants=min(each.tenants for each in environments if each.plugin), dags=few_dags
    )
    stock = Environment(plugin=False, tenants=0, dags=few_dags)
    return {
        "benchmark": "tenancy",
        "database": options.database,
        "goals": report.goals,
        "memory_of_one_process_kb": {
            kind: {name: memory[each][name] for name in ("rss", "uss")}
            for kind, each in (("with_plugin", smallest), ("without_plugin", stock))
        },
        "cpu_ms": report.table(0),
        "ms": report.table(1),
    }


if __name__ == "__main__":
    main()
