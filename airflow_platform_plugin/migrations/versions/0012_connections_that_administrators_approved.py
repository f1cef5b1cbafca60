"""Whether an administrator has approved of a tenant's connection what the tenant could not write itself."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("platform_connection") as table:
        table.add_column(sa.Column("approved", sa.Boolean(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("platform_connection") as table:
        table.drop_column("approved")
