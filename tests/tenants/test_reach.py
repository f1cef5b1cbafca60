"""What each kind of caller sees and changes of DAGs on Airflow's own pages and in its own API."""

import difflib
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple

import pytest
from reach_data import (
    BROWSING,
    EMPTY,
    OURS,
    SECRETS,
    THEIRS,
    Request,
    deploy_dag,
    tenant_key,
    tenants_and_people,
)
from reach_requests import BY_ID, UNKNOWN_ROW, Stock, changes, pages, state_of, undo_changes, without_noise
from reach_table import (
    LIST_ENDPOINTS,
    OPERATIONS_THAT_CHANGE,
    OPERATIONS_THAT_SHOW,
    OTHER_LISTS,
    OTHER_OPERATIONS,
    OTHER_PAGES,
    PAGES_THAT_CHANGE,
    PAGES_THAT_SHOW,
    REDIRECTS,
    Shows,
)
from sqlalchemy import update
from stock_data import HIDDEN, MINE

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core.naming import tenant_pool_name

SHOWN = PAGES_THAT_SHOW | OPERATIONS_THAT_SHOW
# The callers who may change and read each DAG. One is an admin of one tenant and a viewer of the other.
EDITORS = {MINE: {"ann-admin", "max-member", "bea-browser", "mia-mixed", "key"}, HIDDEN: set()}
READERS = {MINE: EDITORS[MINE] | {"vera-viewer"}, HIDDEN: {"mia-mixed"}}
STOCK_READERS = {"vic-viewer", "oli-op", "pat-platform"}
STOCK_EDITORS = {"oli-op", "pat-platform"}
OF_TENANTS = [
    "ann-admin",
    "max-member",
    "vera-viewer",
    "bea-browser",
    "mia-mixed",
    "eve-empty",
    "noa-nobody",
    "key",
]
# They see nothing of the other tenant's DAG, and may look at as much as an operator can let them.
LIMITED = ["bea-browser", "eve-empty", "key"]
# Each look at a page adds an entry to the audit log.
OWN_LOOKS = {"GET LogModelView.list", "get_event_log", "get_event_logs"}


class Reach(NamedTuple):
    """The callers, and what the limited ones saw before the other tenant's DAG existed."""

    stock: Stock
    callers: dict[str, Request]
    rights: dict[str, set[tuple[str, str]]]
    before: dict[tuple[str, str, str], Any]

    def look(self, name: str) -> dict[tuple[str, str, str], Any]:
        """Return the answers to a limited caller, by caller, DAG and endpoint."""
        seen = {}
        if name != "key":
            self.callers[name]("GET", "/home")  # shows what earlier pages have reported
        for dag_id in (MINE, HIDDEN):
            # No request can know the ids of the other DAG's rows, and its file only with Airflow's secret.
            ids = None if dag_id == MINE else UNKNOWN_ROW
            for what in [*SHOWN, *REDIRECTS]:
                if (name == "key" and what not in BY_ID) or what in OWN_LOOKS:
                    continue
                if dag_id == HIDDEN and what == "get_dag_source":
                    continue
                answer = self.stock.ask(self.callers[name], what, dag_id, ids=ids)
                seen[name, dag_id, what] = without_noise(answer)
        return seen


@pytest.fixture(scope="module")
def reach(app: Any) -> Iterator[Reach]:
    """Let the limited callers look at everything before and after another tenant deploys its DAG."""
    from airflow.www.views import DagDependenciesView

    manager = app.appbuilder.sm
    with tenants_and_people(app) as people, pytest.MonkeyPatch.context() as patch:
        # Stock pages do not expect all requests of the tests.
        for setting in ("PROPAGATE_EXCEPTIONS", "WTF_CSRF_ENABLED"):
            patch.setitem(app.config, setting, value=False)
        # Airflow's own graph is never older than the other tenant's DAG.
        patch.setattr(DagDependenciesView, "refresh_interval", timedelta())
        with app.app_context():
            rights = {name: set(airflow_compat.users.permissions(manager.find_user(name))) for name in people}
            people["key"] = tenant_key(app, int(manager.find_user("pat-platform").id))
        # An admin's key with a tenant.
        rights["key"] = set(BROWSING) - {("can_read", "Audit Logs"), ("can_read", "Pools")}
        deploy_dag(app, MINE)
        reach = Reach(Stock(app, pages(app)), people, rights, {})
        for name in LIMITED:
            reach.before.update(reach.look(name))
        deploy_dag(app, HIDDEN)
        yield reach


def test_every_stock_page_and_operation_is_in_a_table(app: Any) -> None:
    """A new one needs a line that says what of a DAG it shows or changes."""
    lists = {name.split()[1].split(".")[0] for name in PAGES_THAT_SHOW if name.endswith("ModelView.list")}
    lists |= OTHER_LISTS
    of_lists = {f"{line.split()[0]} {view}.{line.split()[1]}" for view in lists for line in LIST_ENDPOINTS}
    of_lists |= {f"GET {view}.list" for view in lists}
    assert set(pages(app)) == {*PAGES_THAT_SHOW, *PAGES_THAT_CHANGE, *REDIRECTS, *OTHER_PAGES, *of_lists}
    assert set(BY_ID) == {*OPERATIONS_THAT_SHOW, *OPERATIONS_THAT_CHANGE, *OTHER_OPERATIONS}


@pytest.mark.parametrize(
    ("name", "dag_id"),
    [
        *((name, MINE) for name in [*OF_TENANTS, *sorted(STOCK_READERS)]),
        *((name, HIDDEN) for name in ("max-member", "mia-mixed", "pat-platform")),
    ],
)
def test_who_may_read_a_dag_sees_it_everywhere_and_others_see_it_nowhere(
    reach: Reach, name: str, dag_id: str
) -> None:
    """The table says what each endpoint shows, and what it needs apart from a tenant's role."""
    wrong = []
    for what, row in SHOWN.items():
        if name == "key" and what not in BY_ID:
            continue
        answer = reach.stock.ask(reach.callers[name], what, dag_id)
        allowed = _allows(reach, name, row.needs) and (
            not row.of_dag
            or name
            in (EDITORS if row.edits else READERS)[dag_id] | (STOCK_EDITORS if row.edits else STOCK_READERS)
        )
        if _shows(row, answer, dag_id) is not allowed:
            wrong.append((what, answer.status, allowed, answer.text[-100:]))
        hidden = [word for word in SECRETS if word in answer.text.replace(HIDDEN, "")]
        if hidden and name not in READERS[HIDDEN] | STOCK_READERS:
            wrong.append((what, hidden, "secret"))
    assert not wrong, "\n".join(map(str, wrong))


def _allows(reach: Reach, name: str, needs: str) -> bool:
    return not needs or ("can_read", needs) in reach.rights[name]


def _shows(row: Shows, answer: Any, dag_id: str) -> bool:
    if not row.text:
        return answer.status not in {302, 403}
    text = answer.location if answer.status == 302 else answer.text
    return answer.status != 403 and row.text.replace(MINE, dag_id) in text


@pytest.mark.parametrize("name", LIMITED)
def test_another_tenants_dag_changes_no_answer(reach: Reach, name: str) -> None:
    """No id, run, tag, owner, dataset, trigger or count; asked for, it is like a DAG that does not exist."""
    after = reach.look(name)
    wrong = [
        _difference(key, reach.before[key], seen) for key, seen in after.items() if reach.before[key] != seen
    ]
    assert not wrong, "\n".join(wrong)


def _difference(key: Any, before: Any, after: Any) -> str:
    lines = difflib.unified_diff(before[2].splitlines(), after[2].splitlines(), lineterm="", n=0)
    return "\n".join([f"{key}: {before[:2]} {after[:2]}", *(line[:200] for line in islice(lines, 8))])


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("what", ["get_import_error", "get_event_log"])
def test_a_row_of_another_tenants_dag_is_like_an_unknown_id(reach: Reach, name: str, what: str) -> None:
    """Its id is a number that a caller can guess."""
    theirs, none = (
        reach.stock.ask(reach.callers[name], what, HIDDEN, ids=ids) for ids in (None, UNKNOWN_ROW)
    )
    assert theirs.status == none.status


@pytest.mark.parametrize(("name", "own"), [("bea-browser", [OURS]), ("eve-empty", [EMPTY])])
def test_pools_of_other_tenants_look_as_if_they_did_not_exist(
    reach: Reach, name: str, own: list[str]
) -> None:
    """In the list, by name, in the count and on the page. Other pools are shown."""
    request = reach.callers[name]
    listed = request("GET", "/api/v1/pools").json
    assert {pool["name"] for pool in listed["pools"]} == {"default_pool", *map(tenant_pool_name, own)}
    assert listed["total_entries"] == len(listed["pools"])
    unknown = request("GET", "/api/v1/pools/tenant-nobody")
    assert request("GET", f"/api/v1/pools/{tenant_pool_name(THEIRS)}").status == unknown.status == 404
    page = request("GET", "/pool/list/").text
    assert [each for each in (OURS, THEIRS, EMPTY) if tenant_pool_name(each) in page] == own
    everything = reach.callers["vic-viewer"]("GET", "/api/v1/pools").json
    assert everything["total_entries"] == len(everything["pools"])
    assert all(tenant_pool_name(each) in str(everything) for each in (OURS, THEIRS, EMPTY))


def test_jobs_without_a_dag_are_hidden_from_tenants(reach: Reach) -> None:
    """Such as the scheduler's."""
    pages = {name: reach.callers[name]("GET", "/job/list/").text for name in ("bea-browser", "pat-platform")}
    assert ["host-of-scheduler" in page for page in pages.values()] == [False, True]
    assert all(f"host-of-{MINE}" in page for page in pages.values())


def test_an_import_error_of_a_shared_file_shows_no_code_of_another_tenants_dag(reach: Reach) -> None:
    """Airflow itself leaves it out on the home page and in the API, but not on the page of a DAG."""
    from airflow.utils.session import create_session

    dag = airflow_compat.models.DagModel
    with create_session() as session:
        files = {row.dag_id: row.fileloc for row in session.query(dag.dag_id, dag.fileloc)}
        session.execute(update(dag).where(dag.dag_id == HIDDEN).values(fileloc=files[MINE]))
    try:
        texts = [
            reach.stock.ask(reach.callers["max-member"], what, MINE).text
            for what in ("GET Airflow.grid", "GET Airflow.index", "get_import_error", "get_import_errors")
        ]
    finally:
        with create_session() as session:
            session.execute(update(dag).where(dag.dag_id == HIDDEN).values(fileloc=files[HIDDEN]))
    assert not [text for text in texts if f"in {MINE}" in text]
    assert ["REDACTED" in text for text in texts] == [False, True, True, True]
    assert f"in {MINE}" in reach.stock.ask(reach.callers["max-member"], "GET Airflow.grid", MINE).text


@pytest.mark.parametrize("name", OF_TENANTS)
def test_only_who_may_change_a_dag_changes_it(reach: Reach, name: str) -> None:
    """Members and administrators run, pause, mark, clear and note; nobody of a tenant deletes."""
    undo_changes(MINE)
    undo_changes(HIDDEN)
    before = {dag_id: state_of(dag_id) for dag_id in (MINE, HIDDEN)}
    wrong = []
    for what, change in changes():
        if name == "key" and (what not in BY_ID or not change.members):
            continue  # the key's owner may delete
        for dag_id in (HIDDEN, MINE):
            answer = reach.stock.ask(reach.callers[name], what, dag_id, fields=change.body)
            after = {each: state_of(each) for each in before}
            changed = {each for each in before if after[each] != before[each]}
            named = {dag_id} if change.of_dag else {MINE, HIDDEN}
            allowed = {each for each in before if name in EDITORS[each]} if change.members else set()
            if answer.status >= 500 or not (named & allowed <= changed <= allowed):
                wrong.append((what, dag_id, answer.status, answer.location, changed, answer.text[:200]))
            for each in changed:
                undo_changes(each)
                assert state_of(each) == before[each], what
    assert not wrong, "\n".join(map(str, wrong))
