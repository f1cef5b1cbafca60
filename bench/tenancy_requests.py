"""What ``tenancy`` measures: the environments, the callers and their requests."""

from collections.abc import Iterator
from typing import NamedTuple

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
    def stock(self) -> "Environment":
        """Stock Airflow with the same DAGs."""
        return Environment(plugin=False, tenants=0, dags=self.dags)

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


def choose_environments(tenants: list[int], dags: list[int]) -> list[Environment]:
    """Return the environments: each number of tenants with few DAGs, of DAGs with few tenants."""
    few = next((each for each in tenants if each), 0)
    found = [Environment(plugin=True, tenants=each, dags=dags[0]) for each in tenants]
    found += [Environment(plugin=True, tenants=few, dags=each) for each in dags]
    found += [Environment(plugin=False, tenants=0, dags=each) for each in dags]
    return list(dict.fromkeys(found))


def choose_requests() -> Iterator[tuple[Request, int]]:
    """Yield the requests, and how many to send in a row."""
    untouched = [Request(caller, path) for caller in ("admin", "viewer") for path in UNTOUCHED_PATHS]
    stock = [Request(caller, path) for caller in (*PEERS, "user") for path in STOCK_PATHS]
    lists = [Request(caller, path) for caller in ("admin", "tenant_admin", "member", "key") for path in LISTS]
    yield from ((each, 3) for each in untouched)
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
