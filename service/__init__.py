"""Standin over HTTP: validates, stores, schedules, answers. Holds no mathematics."""
