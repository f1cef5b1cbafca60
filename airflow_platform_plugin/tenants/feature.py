"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource

FEATURE = Feature(
    name="tenants",
    tag="tenants",
    blueprints=("tenants.api:blueprint", "tenants.members.api:blueprint"),
    orm_hooks="tenants.roles:install",
    install="tenants.roles:install_in_app",
    models=("tenants.models",),
    resources=(
        ScopedResource("tenants", "See tenants", "See, create and change tenants"),
        ScopedResource(
            "members", "See the members of tenants", "See, add, change and remove the members of tenants"
        ),
    ),
    roles={
        "viewer": ("tenants:read", "members:read"),
        "member": ("tenants:read", "members:read"),
        "admin": ("tenants:read", "members:read", "members:write"),
    },
    settings="tenants.settings:TenantSettings",
    checks={"tenant-roles": "tenants.health_checks:check_shared_roles"},
)
