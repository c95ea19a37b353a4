"""The steps from each release's tables to the next one's, run by Alembic. There is no way back: restore a backup."""
