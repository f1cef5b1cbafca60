# Written by scripts/unasync from the file of this name in _async; change that one.
"""DAGs and their runs."""

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from math import inf
from time import monotonic
from typing import Any, ClassVar

from pydantic import PrivateAttr

from airflow_platform._sync.backfills import Backfill
from airflow_platform._sync.pages import Origin, Page
from airflow_platform._sync.session import Resource, Session
from airflow_platform._http import path, present
from airflow_platform.exceptions import PlatformTimeoutError
from airflow_platform.models import Dag, DagRunFields, ItemResult, Model


class DagRun(DagRunFields):
    """A run of a DAG."""

    _session: Session = PrivateAttr()

    def model_post_init(self, context: Origin) -> None:
        """Remember whom to ask."""
        self._session = context.session

    def refresh(self) -> None:
        """Ask the platform for the run's present state."""
        url = path("dags", self.dag_id, "dagRuns", self.dag_run_id)
        for name, value in self._session.fetch(DagRun, "GET", url):
            setattr(self, name, value)

    def wait(self, timeout: float | None = None, poll_interval: float = 5.0) -> "DagRun":
        """Wait until the run has finished, well or badly, at most ``timeout`` seconds."""
        deadline = monotonic() + (inf if timeout is None else timeout)
        while not self.is_finished:
            left = deadline - monotonic()
            if left <= 0:
                raise PlatformTimeoutError(f"Run {self.dag_run_id} is still {self.state} after {timeout} s")
            time.sleep(min(poll_interval, left))
            self.refresh()
        return self


class DagRunPage(Page[DagRun]):
    """Some runs of a DAG."""

    collection: ClassVar = "dag_runs"
    dag_runs: list[DagRun]


class DagPage(Page[Dag]):
    """Some DAGs."""

    collection: ClassVar = "dags"
    dags: list[Dag]


class Triggered(ItemResult):
    """What became of one run that was to be triggered."""

    dag_run: DagRun | None = None


class TriggerResults(Model):
    """What became of each run, in the order of the request."""

    succeeded: int
    failed: int
    results: list[Triggered]


class Dags(Resource):
    """``client.dags``."""

    def list(
        self,
        *,
        tags: Sequence[str] | None = None,
        only_active: bool | None = None,
        paused: bool | None = None,
        dag_id_pattern: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> DagPage:
        """The DAGs that have any of ``tags``."""
        params = {
            "tags": tags,
            "only_active": only_active,
            "paused": paused,
            "dag_id_pattern": dag_id_pattern,
            "limit": limit,
            "offset": offset,
            "order_by": order_by,
        }
        return self._session.list(DagPage, path("dags"), params)

    def get(self, dag_id: str) -> Dag:
        """One DAG."""
        return self._session.fetch(Dag, "GET", path("dags", dag_id))

    def update(self, dag_id: str, *, is_paused: bool) -> Dag:
        """Change a DAG; whether it is paused is all that Airflow lets one change."""
        return self._session.fetch(Dag, "PATCH", path("dags", dag_id), json={"is_paused": is_paused})

    def pause(self, dag_id: str) -> Dag:
        """Schedule no further runs of a DAG."""
        return self.update(dag_id, is_paused=True)

    def unpause(self, dag_id: str) -> Dag:
        """Schedule runs of a DAG again."""
        return self.update(dag_id, is_paused=False)

    def trigger(
        self,
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        note: str | None = None,
    ) -> DagRun:
        """Start a run of a DAG."""
        body = {"conf": conf, "dag_run_id": run_id, "logical_date": logical_date, "note": note}
        return self._session.fetch(DagRun, "POST", path("dags", dag_id, "dagRuns"), json=body)

    def trigger_many(self, runs: Sequence[Mapping[str, Any]]) -> TriggerResults:
        """Start up to 1,000 runs of any DAGs, each a mapping like ``{"dag_id": …, "conf": …}``.

        Each succeeds or fails by itself; its result says which.
        """
        body = {"runs": [present(run) for run in runs]}
        url = path("platform", "dags", "trigger")
        return self._session.fetch(TriggerResults, "POST", url, json=body)

    def backfill(
        self,
        dag_id: str,
        start_date: date | str,
        end_date: date | str,
        *,
        conf: Mapping[str, Any] | None = None,
        max_active_runs: int | None = None,
        reprocess: str | None = None,
        run_backwards: bool | None = None,
        dry_run: bool | None = None,
    ) -> Backfill:
        """Run a DAG for each date of its schedule in a range, both ends included.

        What has no zone is in the DAG's own. ``reprocess`` says which runs that are there already are run
        again: ``none``, ``failed`` or ``all``. A dry run tells in ``first_runs`` what would be done.
        """
        body = {
            "start_date": start_date,
            "end_date": end_date,
            "conf": conf,
            "max_active_runs": max_active_runs,
            "reprocess": reprocess,
            "run_backwards": run_backwards,
            "dry_run": dry_run,
        }
        url = path("platform", "dags", dag_id, "backfills")
        return self._session.fetch(Backfill, "POST", url, json=body)

    def runs(
        self,
        dag_id: str,
        *,
        state: Sequence[str] | None = None,
        execution_date_gte: datetime | None = None,
        execution_date_lte: datetime | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> DagRunPage:
        """The runs of a DAG."""
        params = {
            "state": state,
            "execution_date_gte": execution_date_gte,
            "execution_date_lte": execution_date_lte,
            "limit": limit,
            "offset": offset,
            "order_by": order_by,
        }
        return self._session.list(DagRunPage, path("dags", dag_id, "dagRuns"), params)

    def get_run(self, dag_id: str, dag_run_id: str) -> DagRun:
        """One run."""
        return self._session.fetch(DagRun, "GET", path("dags", dag_id, "dagRuns", dag_run_id))

    def delete_run(self, dag_id: str, dag_run_id: str) -> None:
        """Delete a run and its task instances."""
        self._session.request("DELETE", path("dags", dag_id, "dagRuns", dag_run_id))
