"""What the tables are in PostgreSQL."""

from typing import Any

import psycopg

from livemood.errors import LivemoodError

VERSION = 1
LOCK = 0x6C6D_0001
"""Key of the advisory lock under which one server at a time makes the tables."""

SCHEMA = """
CREATE TABLE livemood.sessions (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires DOUBLE PRECISION,
    words TEXT NOT NULL,
    record TEXT NOT NULL,
    node TEXT NOT NULL DEFAULT current_setting('livemood.node')
);
CREATE INDEX sessions_by_expiry ON livemood.sessions (expires);
CREATE INDEX sessions_by_state ON livemood.sessions (state) WHERE state != 'ended';
CREATE TABLE livemood.events (
    session TEXT NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (session, seq)
);
CREATE TABLE livemood.tokens (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    session TEXT,
    created TEXT NOT NULL,
    expires DOUBLE PRECISION,
    revoked TEXT
);
CREATE TABLE livemood.audit (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    session TEXT,
    detail TEXT NOT NULL,
    policy TEXT NOT NULL
);
CREATE INDEX audit_by_session ON livemood.audit (session);
CREATE TABLE livemood.clock (
    node TEXT PRIMARY KEY DEFAULT current_setting('livemood.node'),
    time DOUBLE PRECISION NOT NULL,
    doubted_s DOUBLE PRECISION NOT NULL
);
CREATE TABLE livemood.baselines (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner TEXT NOT NULL,
    purpose TEXT NOT NULL,
    name TEXT NOT NULL,
    consent TEXT NOT NULL,
    session TEXT NOT NULL,
    updated TEXT NOT NULL,
    expires DOUBLE PRECISION NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (owner, purpose, name)
);
CREATE INDEX baselines_by_expiry ON livemood.baselines (expires);
CREATE TABLE livemood.alert_rules (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    rule TEXT NOT NULL
);
"""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the tables if there are none. Raises `LivemoodError`, and as psycopg does.

    They lie in a schema of their own, so that the database may hold other things as well.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        found = connection.execute("SELECT to_regclass('livemood.version')").fetchone()
        if found is None or found[0] is None:
            connection.execute("CREATE SCHEMA IF NOT EXISTS livemood")
            connection.execute(SCHEMA)
            connection.execute("CREATE TABLE livemood.version (version INTEGER NOT NULL)")
            connection.execute("INSERT INTO livemood.version VALUES (%s)", (VERSION,))
        row = connection.execute("SELECT version FROM livemood.version").fetchone()
        if row is None or row[0] > VERSION:
            raise LivemoodError(
                "the tables in the database were made by a later livemood: update this one"
            )
