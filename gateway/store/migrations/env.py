"""Alembic's way in: the steps run on the connection, and in the transaction, that `gateway.store.upgrading` gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
