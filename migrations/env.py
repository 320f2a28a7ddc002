"""Run revisions on the connection that ``store/migrate.py`` hands over, inside its transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    transactional_ddl=True,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
