"""The DAG ids of deployments have the character set of Airflow's, so that MySQL can use Airflow's index."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import StringID

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _change(sa.String(length=250), StringID())


def downgrade() -> None:
    _change(StringID(), sa.String(length=250))


def _change(before: sa.types.TypeEngine, after: sa.types.TypeEngine) -> None:
    if op.get_bind().dialect.name == "mysql":
        op.alter_column(
            "platform_deployment", "dag_id", existing_type=before, type_=after, existing_nullable=False
        )
