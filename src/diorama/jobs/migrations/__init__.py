"""Alembic's migrations of the store's database: `jobs.database.bring_up_to_date` runs them when the server starts."""
