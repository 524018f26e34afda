"""How Alembic runs the migrations: on the connection that it is given, each in a transaction of its own."""

from alembic import context

from diorama.jobs.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    transaction_per_migration=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
