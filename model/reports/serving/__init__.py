"""Standin beside what a user would pick instead, over HTTP: figures, tables and plots."""
