"""What the feature adds to the platform."""

from datetime import timedelta

from airflow_platform_plugin.core.feature import EventType, Feature, Lane, WorkerStep

FEATURE = Feature(
    name="deployments",
    tag="datakits",  # the API reference lists deployments among DataKits
    blueprints=("deployments.api:blueprint",),
    models=("deployments.models",),
    events=(
        EventType(
            "datakit.rolled_back",
            "A deployment was rolled back to an earlier revision, by a user or automatically.",
            payload="deployments.payloads:RolledBack",
        ),
    ),
    consumers={
        "mails": "deployments.notifications:enqueue",
        "auto-rollback": "deployments.auto_rollback:mark_failing",
    },
    event_subscribers=("platform_deployment",),
    event_references=("deployments.notifications:EVENT_REFERENCE",),
    worker_steps=(
        WorkerStep(
            "send-mail",
            lane=Lane.MAILS,
            run="deployments.notifications:send",
            silent_after=timedelta(minutes=15),  # a mail server may be slow
        ),
        WorkerStep("roll-back", lane=Lane.DEPLOYMENTS, run="deployments.auto_rollback:roll_back"),
        WorkerStep("keep-deployments", lane=Lane.DEPLOYMENTS, run="deployments.maintenance:maintain"),
    ),
    dag_owners="deployments.dag_owners:select_owners",
    dag_files="deployments.dag_owners:select_files",
    tenant_resources=("deployments.tenant_resources:DEPLOYMENTS",),
    connection_references=("deployments.connection_references:DEPLOYMENTS",),
    datakit_references=("deployments.datakit_references:find_deployments",),
    service_urls="deployments.settings:service_urls",
    settings="deployments.settings:DeploymentSettings",
    commands="deployments.commands:add",
    checks={
        "loader": "deployments.health_checks:check_loader",
        "datakit-runners": "deployments.health_checks:check_runners",
        "deployments": "deployments.health_checks:check_deployments",
        "tenant-pools": "deployments.health_checks:check_tenant_pools",
    },
)
