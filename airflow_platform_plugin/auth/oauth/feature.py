"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, ScopedResource, WorkerStep

FEATURE = Feature(
    name="auth.oauth",
    tag="oauth",
    blueprints=("auth.oauth.api:blueprint", "auth.oauth.views:token_endpoints"),
    pages=("auth.oauth.views:browser_pages",),
    models=("auth.oauth.models",),
    resources=(
        ScopedResource("oauth_clients", "See OAuth clients", "See, create, change and delete OAuth clients"),
    ),
    worker_steps=(WorkerStep("expire-tokens", lane="expiry", run="auth.oauth.tokens:expire"),),
    settings="auth.oauth.settings:OAuthSettings",
)
