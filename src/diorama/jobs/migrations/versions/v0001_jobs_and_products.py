"""Jobs and products, as they were before there were migrations; older tables get the columns that they lack."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ADDED_SINCE = ("results", "edits", "corrections")
"""Columns that the first versions' jobs lack: they had one `result` a job, of step "original"."""


def upgrade() -> None:
    # SQLite keeps each change at once: whatever was done before a process was killed here is not done again.
    there = sa.inspect(op.get_bind())
    if there.has_table("jobs"):
        _complete({column["name"] for column in there.get_columns("jobs")})
    else:
        _jobs()
    if not there.has_table("products"):
        _products()
    op.create_index("jobs_by_state", "jobs", ["state", "queued_at"], if_not_exists=True)
    op.create_index("jobs_by_age", "jobs", ["created"], if_not_exists=True)
    op.create_index("products_by_state", "products", ["state", "queued_at"], if_not_exists=True)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(22), primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("upload", sa.String, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("validated", sa.JSON, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("queued_at", sa.Float, nullable=False),
        sa.Column("owner", sa.String),
        sa.Column("heartbeat", sa.Float),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("results", sa.JSON),
        sa.Column("edits", sa.JSON),
        sa.Column("corrections", sa.JSON),
        sa.Column("error", sa.JSON),
    )


def _complete(columns: set[str]) -> None:
    for name in ADDED_SINCE:
        if name not in columns:
            op.add_column("jobs", sa.Column(name, sa.JSON))
    if "result" in columns:  # SQLite: no other kind of database is as old
        op.execute(
            "UPDATE jobs SET results = json_object('original', json(result)) WHERE result NOT NULL AND results IS NULL"
        )


def _products() -> None:
    op.create_table(
        "products",
        sa.Column("job_id", sa.String(22), primary_key=True),
        sa.Column("id", sa.String(22), primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("asked", sa.Float, nullable=False),
        sa.Column("queued_at", sa.Float, nullable=False),
        sa.Column("owner", sa.String),
        sa.Column("heartbeat", sa.Float),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("fraction", sa.Float, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
    )
