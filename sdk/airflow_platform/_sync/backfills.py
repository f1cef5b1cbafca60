# Written by scripts/unasync from the file of this name in _async; change that one.
"""Backfills."""

import time
from math import inf
from time import monotonic
from typing import ClassVar

from pydantic import PrivateAttr

from airflow_platform._sync.pages import Origin, Page
from airflow_platform._sync.session import Resource, Session
from airflow_platform._http import path
from airflow_platform.exceptions import PlatformError, PlatformTimeoutError
from airflow_platform.models.backfills import BackfillFields


class Backfill(BackfillFields):
    """Runs of a DAG for a range of dates."""

    _session: Session = PrivateAttr()

    def model_post_init(self, context: Origin) -> None:
        """Remember whom to ask."""
        self._session = context.session

    def refresh(self) -> None:
        """Ask the platform how far it has come."""
        if self.backfill_id is None:
            raise PlatformError("A dry run makes no backfill")
        url = path("platform", "backfills", self.backfill_id)
        for name, value in self._session.fetch(Backfill, "GET", url):
            if name != "first_runs":
                setattr(self, name, value)

    def wait(self, timeout: float | None = None, poll_interval: float = 5.0) -> "Backfill":
        """Wait until it has ended, well or badly, at most ``timeout`` seconds."""
        deadline = monotonic() + (inf if timeout is None else timeout)
        while not self.is_finished:
            left = deadline - monotonic()
            if left <= 0:
                raise PlatformTimeoutError(
                    f"Backfill {self.backfill_id} is still {self.state} after {timeout} s"
                )
            time.sleep(min(poll_interval, left))
            self.refresh()
        return self


class BackfillPage(Page[Backfill]):
    """Some backfills."""

    collection: ClassVar = "backfills"
    backfills: list[Backfill]


class Backfills(Resource):
    """``client.backfills``; ``client.dags.backfill`` makes them."""

    def list(
        self,
        *,
        dag_id: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | None = None,
    ) -> BackfillPage:
        """The backfills, the newest first."""
        params = {"dag_id": dag_id, "state": state, "limit": limit, "offset": offset, "order_by": order_by}
        return self._session.list(BackfillPage, path("platform", "backfills"), params)

    def get(self, backfill_id: str) -> Backfill:
        """One backfill."""
        return self._session.fetch(Backfill, "GET", path("platform", "backfills", backfill_id))

    def pause(self, backfill_id: str) -> Backfill:
        """Make no further runs until it is resumed."""
        return self._turn(backfill_id, "pause")

    def resume(self, backfill_id: str) -> Backfill:
        """Go on with a paused backfill."""
        return self._turn(backfill_id, "resume")

    def cancel(self, backfill_id: str) -> Backfill:
        """Make no further runs, and take back those that have not started."""
        return self._turn(backfill_id, "cancel")

    def _turn(self, backfill_id: str, turn: str) -> Backfill:
        url = path("platform", "backfills", backfill_id, turn)
        return self._session.fetch(Backfill, "POST", url)
