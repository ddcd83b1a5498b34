"""Alembic's folder. ``service.store.migrate`` runs it; there is no alembic.ini.

A new revision: write the next file in ``versions/`` by hand, both directions, portable to SQLite
(``op.batch_alter_table``) and PostgreSQL. The tests compare the outcome with ``schema.py``, go down
and up again over data, and open the databases of every older release kept in the tests.
"""
