"""Where a study is kept: a file of its own, or what several machines share."""

import os
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from livemood.errors import LivemoodError, UsageError

POSTGRESQL = "postgresql"
BEGINNERS = 8
"""How often the tables are looked for while others make them."""
REPEATS = 3
"""How often a trial whose process was killed is taken up again."""


def open_storage(where: str | None, out: Path) -> BaseStorage:
    """The storage of a study: `out/study.db` unless `where` names a shared one.

    `where` is `postgresql://USER@HOST/DATABASE`, or the path of a journal file on a disk that all
    machines share. Raises `UsageError` for another, and for a password in it; `LivemoodError`
    where it cannot be reached.
    """
    if where is None:
        connect = {"timeout": 60}
        return _database(f"sqlite:///{(out / 'study.db').resolve()}", {"connect_args": connect})
    if "://" in where:
        return _postgresql(where)
    path = Path(where)
    if not path.parent.is_dir():
        raise UsageError(f"--storage {where}: there is no folder {path.parent}")
    try:
        # Whoever makes it whole at the same moment: appending nothing does no harm.
        os.close(os.open(path, os.O_APPEND | os.O_CREAT, 0o600))
        backend = JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))
        return JournalStorage(backend)
    except (OSError, ValueError) as error:
        raise LivemoodError(f"the study in {where} cannot be read: {error}") from None


def check_recipe(study: optuna.Study, recipe: str) -> None:
    """Raise `UsageError` if a study that others share tries another recipe than this one.

    `recipe` is a digest of all that must be the same.
    """
    known = study.user_attrs.get("recipe")
    if known is None:
        study.set_user_attr("recipe", recipe)
    elif known != recipe:
        raise UsageError(
            f"the study {study.study_name!r} there is of another recipe: rename yours, or use "
            "another --storage"
        )


def _postgresql(where: str) -> BaseStorage:
    try:
        url = make_url(where)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() != POSTGRESQL or not url.database:
        raise UsageError(
            "--storage: give postgresql://USER@HOST/DATABASE, or the path of a journal file"
        )
    if url.password is not None:
        raise UsageError(
            "--storage: others see the password in the list of processes: put it into PGPASSWORD "
            "or ~/.pgpass"
        )
    url = url.set(drivername="postgresql+psycopg")
    return _database(url.render_as_string(), {"pool_pre_ping": True})


def _database(url: str, engine: dict[str, Any]) -> BaseStorage:
    for beginner in range(BEGINNERS):
        try:
            return RDBStorage(
                url,
                engine_kwargs=engine,
                heartbeat_interval=20,
                grace_period=60,
                failed_trial_callback=optuna.storages.RetryFailedTrialCallback(max_retry=REPEATS),
            )
        except ImportError:
            raise UsageError(
                "--storage postgresql:// needs psycopg: pip install 'livemood[postgresql]'"
            ) from None
        except (SQLAlchemyError, RuntimeError) as error:
            # Optuna looks whether its tables are there, then makes them: another process may be
            # between the two.
            if isinstance(error, IntegrityError | ProgrammingError) and beginner + 1 < BEGINNERS:
                continue
            reason = str(error).strip().splitlines()[0]
            raise LivemoodError(f"the study's database cannot be used: {reason}") from None
    raise AssertionError
