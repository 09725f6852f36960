"""Builds the real things once a process: settings, logs, clock, wiring, embedded servers."""
