"""Alembic's folder. ``service.store.migrate`` runs it; there is no alembic.ini.

A new revision: first write the dump of the one before (``python -m tests.service.store.old.make``),
then the next file in ``versions/`` by hand, both directions, portable to SQLite
(``op.batch_alter_table``) and PostgreSQL. The tests compare the outcome with ``schema.py``, go down
and up again over data, and open the database of every older revision.
"""
