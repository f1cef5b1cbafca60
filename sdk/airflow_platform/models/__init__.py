"""The models of the platform's responses."""

from airflow_platform.models.analytics import QueryResult
from airflow_platform.models.api_keys import ApiKey
from airflow_platform.models.backfills import (
    BackfillFields,
    BackfillProgress,
    Cleared,
    ClearResults,
    FirstRun,
    ItemResult,
)
from airflow_platform.models.base import Model
from airflow_platform.models.connections import (
    Connection,
    ConnectionTest,
    ConnectionUsage,
    ImportedConnection,
    ImportResult,
)
from airflow_platform.models.dags import Dag, DagRunFields, Tag
from airflow_platform.models.datakits import DataKit, Deployment, DeploymentStatus, Revision
from airflow_platform.models.oauth_clients import OAuthClient
from airflow_platform.models.tasks import Task, TaskInstance
from airflow_platform.models.tenants import GroupRole, Tenant, TenantMember, TenantUsage
from airflow_platform.models.webhooks import Webhook

__all__ = [
    "ApiKey",
    "BackfillFields",
    "BackfillProgress",
    "ClearResults",
    "Cleared",
    "Connection",
    "ConnectionTest",
    "ConnectionUsage",
    "Dag",
    "DagRunFields",
    "DataKit",
    "Deployment",
    "DeploymentStatus",
    "FirstRun",
    "GroupRole",
    "ImportResult",
    "ImportedConnection",
    "ItemResult",
    "Model",
    "OAuthClient",
    "QueryResult",
    "Revision",
    "Tag",
    "Task",
    "TaskInstance",
    "Tenant",
    "TenantMember",
    "TenantUsage",
    "Webhook",
]
