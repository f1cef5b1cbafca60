"""What the DAG processor stores of the loader's DAGs, as far as it grows with them."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, text

from airflow_platform_plugin.airflow_compat import dag_permissions
from airflow_platform_plugin.airflow_compat.models import DAG
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments.execution import loader_file
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision, LoaderFile
from airflow_platform_plugin.deployments.spec import DeploymentSpec


@pytest.fixture
def synchronized(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the DAGs whose permissions Airflow creates; a later version may do it elsewhere."""
    from airflow.www.security_appless import ApplessAirflowSecurityManager

    seen: list[str] = []

    def note(_self: object, dag_id: str, _access_control: object) -> None:
        seen.append(dag_id)

    monkeypatch.setattr(ApplessAirflowSecurityManager, "sync_perm_for_dag", note)
    return seen


def _store(*dags: DAG) -> None:
    from airflow.models.dagbag import DagBag

    for dag in dags:
        DagBag._sync_perm_for_dag(dag)


def test_only_marked_dags_without_access_control_get_no_permissions(synchronized: list[str]) -> None:
    """The same process stores DAGs of other files, with the same ids too."""
    ours, granting, other = (
        DAG("ours", schedule=None),
        DAG("granting", schedule=None, access_control={"Viewer": {"DAGs": {"can_read"}}}),
        DAG("x", schedule=None),
    )
    dag_permissions.skip_permissions([ours, granting])
    _store(ours, granting, other, DAG("ours", schedule=None))
    assert synchronized == ["granting", "x", "ours"]


def test_access_control_that_is_added_later_is_stored(synchronized: list[str]) -> None:
    """A cluster policy may add it after the file was read."""
    dag = DAG("ours", schedule=None)
    dag_permissions.skip_permissions([dag])
    dag.access_control = {"Viewer": {"DAGs": {"can_read"}}}
    _store(dag)
    assert synchronized == ["ours"]


def test_another_version_of_airflow_creates_all_permissions(
    synchronized: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its method stays as it is."""
    from airflow.models.dagbag import DagBag

    class OtherDagBag(DagBag):  # type: ignore[misc]
        @classmethod
        def _sync_perm_for_dag(cls, dag: DAG) -> None:
            synchronized.append(f"other {dag.dag_id}")

    monkeypatch.setattr("airflow.models.dagbag.DagBag", OtherDagBag)
    dag = DAG("ours", schedule=None)
    dag_permissions.skip_permissions([dag])
    OtherDagBag._sync_perm_for_dag(dag)
    assert synchronized == ["other ours"]


NEIGHBOR = """
from airflow import DAG
from datetime import datetime
dag = DAG("neighbor", schedule=None, start_date=datetime(2024, 1, 1))
"""


@pytest.fixture
def folder(app: Any, tmp_path: Path) -> Iterator[Path]:
    """Return a DAGs folder with a loader file for two deployments, which are committed, and a neighbor."""
    now = db.now()
    with db.transaction() as own:
        for name in ("one", "two"):
            kit = {"name": name, "version": "1.0.0", "image": f"registry.localhost/{name}:1.0.0"}
            own.add(
                Deployment(
                    id=f"dep_{name}", datakit=name, environment="production", namespace="default",
                    dag_id=name, revision=1, created_by="test",
                )
            )  # fmt: skip
            own.flush()
            spec = DeploymentSpec.model_validate(
                {
                    "dag_id": name, "manifest": kit, "environment": "production", "namespace": "default",
                    "configuration": {}, "schedule": None, "start_date": now, "revision": 1,
                }
            )  # fmt: skip
            own.add(
                DeploymentRevision(
                    deployment_id=f"dep_{name}", number=1, version="1.0.0",
                    spec=spec.model_dump(mode="json"), notifications={}, created_by="test",
                )
            )  # fmt: skip
    (tmp_path / "datakits.py").write_text(loader_file.TEXT)
    (tmp_path / "neighbor.py").write_text(NEIGHBOR)
    yield tmp_path
    with db.transaction() as own:
        for model in (DeploymentRevision, Deployment, LoaderFile):
            own.execute(delete(model))
        for table in ("dag_code", "serialized_dag", "dag_tag", "dag"):
            own.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from the line above


def test_the_dag_processor_stores_deployments_without_permissions(folder: Path) -> None:
    """The DAG of another file that the same process reads next gets its own."""
    from airflow.dag_processing.processor import DagFileProcessor
    from airflow.providers.fab.auth_manager.models import Resource

    processor = DagFileProcessor(dag_ids=[], dag_directory=str(folder), log=logging.getLogger("test"))
    for name, count in (("datakits", 2), ("neighbor", 1)):
        assert processor.process_file(str(folder / f"{name}.py"), [], pickle_dags=False)[:2] == (count, 0)
    with db.transaction() as own:
        resources = set(own.scalars(select(Resource.name).where(Resource.name.like("DAG%:%"))))
        stored = set(own.scalars(text("SELECT dag_id FROM serialized_dag")))
    assert stored == {"one", "two", "neighbor"}
    assert {name for name in resources if name.split(":")[1] in stored} == {
        "DAG:neighbor",
        "DAG Run:neighbor",
    }


def test_the_code_that_creates_permissions_is_known(app: Any) -> None:
    """Otherwise nothing is replaced, and each new DAG takes ten times as long."""
    assert dag_permissions._installed()
