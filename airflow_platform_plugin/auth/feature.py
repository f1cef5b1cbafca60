"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource

FEATURE = Feature(
    name="auth",
    tag="auth",
    blueprints=("auth.api:blueprint",),
    orm_hooks="auth.cleanup:install",
    request_hooks="auth.backend:install",
    models=("auth.models",),
    resources=(
        # Airflow's own API.
        ScopedResource("dags", "See DAGs, their code and datasets", "See, pause, reparse and delete DAGs"),
        ScopedResource("dag_runs", "See DAG runs", "See, trigger, clear, mark and delete DAG runs"),
        ScopedResource(
            "tasks", "See task instances, their logs and XComs", "See, clear and mark task instances"
        ),
        ScopedResource(
            "variables", "See variables and their values", "See, create, change and delete variables"
        ),
        ScopedResource("pools", "See pools", "See, create, change and delete pools"),
        ScopedResource(
            "admin", "See configuration, users and roles", "See configuration, and change users and roles"
        ),
        # The platform's.
        ScopedResource("api_keys", "See your API keys", "Create, change and revoke API keys that act as you"),
    ),
    roles={"admin": ("api_keys:read", "api_keys:write")},
    tenant_resources=("auth.tenant_resources:API_KEYS",),
    settings="auth.settings:AuthSettings",
    commands="auth.commands:add",
)
