"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource

FEATURE = Feature(
    name="tenants",
    tag="tenants",
    blueprints=("tenants.api:blueprint",),
    orm_hooks="tenants.roles:install",
    install="tenants.roles:install_in_app",
    models=("tenants.models",),
    resources=(ScopedResource("tenants", "See tenants", "See, create and change tenants"),),
    roles={"viewer": ("tenants:read",), "member": ("tenants:read",), "admin": ("tenants:read",)},
)
