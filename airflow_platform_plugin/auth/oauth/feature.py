"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature, Lane, ScopedResource, WorkerStep

FEATURE = Feature(
    name="auth.oauth",
    tag="oauth",
    blueprints=("auth.oauth.api:blueprint", "auth.oauth.views:token_endpoints"),
    pages=("auth.oauth.views:browser_pages",),
    models=("auth.oauth.models",),
    resources=(
        ScopedResource("oauth_clients", "See OAuth clients", "See, create, change and delete OAuth clients"),
    ),
    worker_steps=(WorkerStep("expire-tokens", lane=Lane.EXPIRY, run="auth.oauth.tokens:expire"),),
    settings="auth.oauth.settings:OAuthSettings",
)
