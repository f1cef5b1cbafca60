"""The worker's process checks the limits of a tenant, as the webserver does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEED = """
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.providers.fab.auth_manager import models as _users
import_all_models()
Base.metadata.create_all(settings.engine)
from airflow_platform_plugin.core import db
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec
from airflow_platform_plugin.tenants.models import Tenant
db.upgrade()

def revision(deployment, number, version, cpu):
    manifest = Manifest(name=deployment.datakit, version=version, image="x/kit:1", requirements={"cpu": cpu})
    spec = DeploymentSpec(
        dag_id=deployment.dag_id, manifest=manifest, environment="production", namespace="team",
        configuration={}, schedule=None, start_date=db.now(), deployment_id=deployment.id, revision=number,
    )
    return DeploymentRevision(
        deployment_id=deployment.id, number=number, version=version, spec=spec.model_dump(mode="json"),
        notifications={}, created_by="seed", auto_rollback_after=1,
    )

with db.transaction() as session:
    session.add(Tenant(
        tenant_id="team", display_name="t", namespace="team", resource_limits={"cpu": "4"},
        features={"custom_operators": True}, admin_users=[], labels={},
    ))
    session.flush()
    for name, needs in {"small": ["1", "3"], "large": ["3", "1"]}.items():
        for number, cpu in enumerate(needs, 1):
            manifest = {"name": name, "version": f"{number}.0.0", "image": "x/kit:1"}
            session.add(DataKit(
                name=name, version=f"{number}.0.0", tenant_id="team", type="transformation",
                description="", manifest=manifest, created_by="seed",
            ))
        # Each has failed with its second revision; the first of "large" no longer fits next to "small".
        deployment = Deployment(
            id=f"dep_{name}", datakit=name, environment="production", namespace="team", tenant_id="team",
            dag_id=f"team__production__{name}", revision=2, rollback_from=2 if name == "large" else None,
            created_by="seed",
        )
        session.add(deployment)
        session.flush()
        for number, cpu in enumerate(needs, 1):
            session.add(revision(deployment, number, f"{number}.0.0", cpu))
"""

SEE = """
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments.models import Deployment
with db.transaction() as session:
    row = session.get(Deployment, "dep_large")
    print("seen", row.revision, row.rollback_from)
"""


@pytest.mark.end_to_end
def test_the_worker_checks_a_rollback_against_the_limits_of_the_tenant(tmp_path: Path) -> None:
    """Only the worker's modules are loaded: what tenants own is known without the webserver."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", *arguments]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    python("-c", SEED)
    done = python("-m", "airflow_platform_plugin", "worker", "--once")
    seen = python("-c", SEE).stdout.splitlines()[-1]
    assert seen == "seen 2 None", done.stdout + done.stderr
