"""Whose a job is and whose turn it is, when it was looked at last, and what its files take."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("jobs")}
    columns = (
        sa.Column("user", sa.String, nullable=False, server_default=""),
        sa.Column("seen", sa.Float, nullable=False, server_default="0"),
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
    )
    for column in columns:
        if column.name not in there:  # a version between two releases may have added one
            op.add_column("jobs", column)
    op.create_index("jobs_by_user", "jobs", ["user", "created"], if_not_exists=True)
    op.create_table(
        "turns",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("taken", sa.Float, nullable=False),
        if_not_exists=True,
    )
