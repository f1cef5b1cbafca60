"""The medians that ``tenancy`` has measured, and whether they meet its goals."""

import statistics
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tenancy_requests import LISTS, PAGES, PEERS, STOCK_PATHS, UNTOUCHED_PATHS, Environment, Request, can_send

FLAT, LIKE_STOCK, UNTOUCHED = 1.1, 1.1, 1.03
CREATE_MS, USERS_MS, USERS_AT = 30, 300, 1000


class Memory(NamedTuple):
    """The memory of a process in kB.

    Attributes:
        rss: all.
        uss: what it does not share with other processes.
    """

    rss: int
    uss: int


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


def check_goals(report: Report, environments: list[Environment]) -> None:
    """Compare the medians with the goals."""
    with_plugin = [each for each in environments if each.plugin]
    report.check(
        "a stock request is as fast as without the plugin", UNTOUCHED, untouched_ratios(report, with_plugin)
    )
    report.check("flat in the number of tenants", FLAT, tenant_ratios(report, with_plugin))
    report.check("as fast as stock Airflow with the same DAGs", LIKE_STOCK, peer_ratios(report, with_plugin))
    created = times_of(report, "admin POST /api/v1/platform/tenants", environments, column=0)
    report.check("milliseconds of CPU time to create a tenant", CREATE_MS, created)
    some = [each for each in with_plugin if each.tenants <= USERS_AT]
    pages = [times_of(report, f"admin {path}", some, column=1) for path in PAGES[1:]]
    report.check(
        f"milliseconds of the pages of users, to {USERS_AT} tenants",
        USERS_MS,
        {name: value for page in pages for name, value in page.items()},
    )


def untouched_ratios(report: Report, environments: list[Environment]) -> dict[str, float]:
    """Return the ratios of stock users' stock requests, without any tenant, to stock Airflow."""
    names = [f"{caller} {path}" for caller in ("admin", "viewer") for path in UNTOUCHED_PATHS]
    few_dags = min(each.dags for each in environments)
    return {
        name: compare(report, name, each, name, each.stock)
        for name in names
        for each in environments
        if each.tenants == 0 and each.dags == few_dags
    }


def tenant_ratios(report: Report, environments: list[Environment]) -> dict[str, float]:
    """Return the ratios of each number of tenants to the smallest; that of lists has as long a page."""
    few_dags = min(each.dags for each in environments)
    ratios = {}
    for name in report.names():
        is_list = name.endswith(LISTS)
        found = sorted(
            (
                each
                for each in environments
                if each.dags == few_dags and report.median(name, each) and (each.tenants or not is_list)
            ),
            key=lambda each: each.tenants,
        )
        if not name.endswith(PAGES[1:]):
            for each in found[1:]:
                ratio = compare(report, name, each, name, found[0])
                ratios[f"{name}, {each.tenants} tenants to {found[0].tenants}"] = ratio
    return ratios


def peer_ratios(report: Report, environments: list[Environment]) -> dict[str, float]:
    """Return the ratios of callers with tenants to those who see the same DAGs in stock Airflow."""
    return {
        f"{caller} {path}, {each.tenants} tenants, {each.dags} DAGs": compare(
            report, f"{caller} {path}", each, f"{peer} {path}", each.stock
        )
        for caller, peer in PEERS.items()
        for path in STOCK_PATHS
        for each in environments
        if each.tenants and can_send(Request(caller, path), each)
    }


def compare(report: Report, name: str, one: Environment, peer: str, other: Environment) -> float:
    """Return how many times as much CPU time the one takes as the other."""
    return (report.median(name, one) or 0) / (report.median(peer, other) or 1)


def times_of(report: Report, name: str, environments: list[Environment], *, column: int) -> dict[str, float]:
    """Return the medians by environment, of the CPU time or of the time."""
    found = {each: report.median(name, each, column) for each in environments}
    return {
        f"{name}, {each.kind} the plugin, {each.tenants} tenants, {each.dags} DAGs": value
        for each, value in found.items()
        if value is not None
    }


def describe(
    report: Report, environments: list[Environment], memory: Mapping[Environment, Memory], database: str
) -> dict[str, Any]:
    """Return the report, ready for JSON."""
    few_dags = min(each.dags for each in environments)
    smallest = Environment(
        plugin=True, tenants=min(each.tenants for each in environments if each.plugin), dags=few_dags
    )
    return {
        "benchmark": "tenancy",
        "database": database,
        "goals": report.goals,
        "memory_of_one_process_kb": {
            kind: {"rss": memory[each].rss, "uss": memory[each].uss}
            for kind, each in (("with_plugin", smallest), ("without_plugin", smallest.stock))
        },
        "cpu_ms": report.table(0),
        "ms": report.table(1),
    }
