"""OAuth clients, codes and tokens."""

from datetime import datetime, timezone

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    client = op.create_table(
        "platform_oauth_client",
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("grant_types", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=256), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name="pk_platform_oauth_client"),
    )
    op.create_table(
        "platform_oauth_code",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=24), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2000), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("code_challenge", sa.String(length=128), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("redeemed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["platform_oauth_client.client_id"],
            name="fk_platform_oauth_code_client_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("code_hash", name="pk_platform_oauth_code"),
    )
    op.create_index("ix_platform_oauth_code_client_id", "platform_oauth_code", ["client_id"])
    op.create_index("ix_platform_oauth_code_expires_at", "platform_oauth_code", ["expires_at"])
    op.create_table(
        "platform_oauth_token",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=24), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["platform_oauth_client.client_id"],
            name="fk_platform_oauth_token_client_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_platform_oauth_token"),
    )
    op.create_index("ix_platform_oauth_token_client_id", "platform_oauth_token", ["client_id"])
    op.create_index("ix_platform_oauth_token_expires_at", "platform_oauth_token", ["expires_at"])
    op.create_index("ix_platform_oauth_token_family", "platform_oauth_token", ["family"])
    # So that the command line's login needs no preparation. Without scopes: it may ask for each there is.
    op.bulk_insert(
        client,
        [
            {
                "client_id": "airflow-cli",
                "name": "Airflow platform CLI",
                "redirect_uris": ["http://127.0.0.1/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "created_at": datetime.now(tz=timezone.utc),
            }
        ],
    )


def downgrade() -> None:
    # Indexes go with their tables; MySQL drops none by itself that a foreign key needs.
    op.drop_table("platform_oauth_token")
    op.drop_table("platform_oauth_code")
    op.drop_table("platform_oauth_client")
