"""The permissions of tenants' roles, as they were when the migrations were written."""

from collections.abc import Collection

Pair = tuple[str, str]  # an action and a resource

# The resources of permissions that named a tenant: "Platform Webhooks:<tenant>".
RESOURCES = (
    "Admin",
    "Analytics",
    "Api Keys",
    "Connections",
    "Dag Runs",
    "Dags",
    "Datakits",
    "Oauth Clients",
    "Pools",
    "Tasks",
    "Tenants",
    "Variables",
    "Webhooks",
)
_VIEWER = {("can_read", each) for each in ("Connections", "Datakits", "Tenants", "Webhooks")}
_MEMBER = _VIEWER | {("can_read", "Analytics"), ("can_edit", "Analytics"), ("can_edit", "Datakits")}
_ADMIN = _MEMBER | {
    ("can_edit", "Connections"),
    ("can_edit", "Webhooks"),
    ("can_read", "Api Keys"),
    ("can_edit", "Api Keys"),
}
# What each kind of role may do in its tenant, and in Airflow. The strongest kind is first.
IN_TENANT = {"Admin": _ADMIN, "Member": _MEMBER, "Viewer": _VIEWER}
_SEE = {
    *(("menu_access", each) for each in ("Platform", "API", "DAGs", "Browse", "DAG Runs", "Task Instances")),
    *(("can_read", each) for each in ("Website", "My Profile", "My Password", "DAG Code", "DAG Runs")),
    *(("can_read", each) for each in ("Task Instances", "Task Logs", "XComs", "ImportError", "DAG Warnings")),
    ("can_edit", "My Profile"),
    ("can_edit", "My Password"),
}
_RUN = _SEE | {
    (action, resource) for action in ("can_create", "can_edit") for resource in ("DAG Runs", "Task Instances")
}
IN_AIRFLOW = {"Admin": _RUN, "Member": _RUN, "Viewer": _SEE}
_CHANGE = ("can_read", "can_edit")
ON_DAGS: dict[str, Collection[str]] = {"Admin": _CHANGE, "Member": _CHANGE, "Viewer": ("can_read",)}


def resource(of_platform: str, tenant: str) -> str:
    """Return the resource of the permissions that named a tenant."""
    return f"Platform {of_platform}:{tenant}"


def role_name(tenant: str, kind: str) -> str:
    """Return the name of a tenant's role."""
    return f"Tenant {tenant} {kind}"


def shared_roles() -> dict[str, set[Pair]]:
    """Return the permissions of the roles that all tenants share, by name."""
    return {
        f"Tenant {kind}": {
            *IN_AIRFLOW[kind],
            *((action, f"Platform {of} of own tenants") for action, of in IN_TENANT[kind]),
            *((action, "DAGs of own tenants") for action in ON_DAGS[kind]),
        }
        for kind in IN_TENANT
    }


def roles_of_tenants(tenants: Collection[str]) -> dict[str, set[Pair]]:
    """Return the permissions that the roles of tenants had before, by name; those on DAGs are not in it."""
    return {
        role_name(tenant, kind): IN_AIRFLOW[kind]
        | {(action, resource(of, tenant)) for action, of in IN_TENANT[kind]}
        for tenant in tenants
        for kind in ("Admin", "Member")
    }
