"""A study that several processes share: on a real PostgreSQL, and in a journal file."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("optuna", reason="needs the extra train")

from livemood.errors import LivemoodError, UsageError
from livemood.training.recipe.search import SearchSection
from livemood.training.search import Shared, Study

TRIALS = 24
PROCESSES = 4
SEARCHER = """
import json, os, sys
from pathlib import Path
from livemood.training.recipe.search import SearchSection
from livemood.training.search import Score, Shared, Study

storage, out, trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
section = SearchSection.model_validate(
    {"sampler": "tpe", "trials": trials, "space": {"fit.learning_rate": {"low": 1.0, "high": 2.0}}}
)

def trial(number, values, tell):
    for epoch in (1, 2, 3):
        tell({"epoch": epoch, "validation_uar": 50 + epoch})
    with (out / "tried.jsonl").open("a") as lines:
        lines.write(json.dumps([number, os.getpid(), values["fit.learning_rate"]]) + "\\n")
    return Score(60 - (values["fit.learning_rate"] - 1.5) ** 2, 1000)

study = Study(section, "shared", 1, out / str(os.getpid()), 0, Shared(storage, "one recipe"))
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(study.run(trial)["trials"]))
"""
SECTION = SearchSection.model_validate(
    {"sampler": "tpe", "trials": 1, "space": {"fit.learning_rate": {"low": 1.0, "high": 2.0}}}
)


@pytest.fixture
def database(postgresql):
    """The address of a new database."""
    return postgresql.new()


def searched(storage, out):
    """What several processes give that work on one study at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SEARCHER, storage, str(out), str(TRIALS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=150)
        assert process.returncode == 0
    tried = [json.loads(line) for line in (out / "tried.jsonl").open()]
    over = Study(SECTION, "shared", 1, out / "last", 0, Shared(storage, "one recipe"))
    return tried, over.run(lambda *_: pytest.fail("nothing is missing"))


def check(tried, found):
    """No trial is lost, none is made twice, and all processes took part."""
    assert found["trials"]["complete"] == len(tried) == len(found["all"])
    assert TRIALS <= len(tried) < TRIALS + PROCESSES
    assert found["trials"]["running"] == found["trials"]["fail"] == 0
    kept = {row["trial"]: row["params"]["fit.learning_rate"] for row in found["all"]}
    assert kept == {number: value for number, _, value in tried}
    assert sorted(kept) == list(range(len(tried)))
    assert len({process for _, process, _ in tried}) > 1
    assert len(set(kept.values())) == len(kept)


@pytest.mark.slow
def test_four_processes_lose_no_trial_on_postgresql(database, tmp_path):
    check(*searched(database, tmp_path))
    with pytest.raises(UsageError, match="'shared' there is of another recipe"):
        Study(SECTION, "shared", 1, tmp_path, 0, Shared(database, "another recipe"))


@pytest.mark.slow
def test_four_processes_lose_no_trial_in_a_journal_file(tmp_path):
    check(*searched(str(tmp_path / "study.journal"), tmp_path))


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        ("mysql://user@host/db", "give postgresql://USER@HOST/DATABASE"),
        ("postgresql://user@host", "give postgresql://USER@HOST/DATABASE"),
        ("postgresql://user:secret@host/db", "put it into PGPASSWORD"),
        ("missing/study.journal", "there is no folder missing"),
    ],
)
def test_a_storage_that_is_none_is_refused(storage, says, tmp_path):
    with pytest.raises(UsageError, match=says) as refused:
        Study(SECTION, "shared", 1, tmp_path, 0, Shared(storage, "recipe"))
    assert "secret" not in str(refused.value)


def test_a_database_that_does_not_answer_is_said_in_one_line(tmp_path):
    pytest.importorskip("psycopg", reason="needs the extra postgresql")
    storage = f"postgresql://user@/db?host={tmp_path}"
    with pytest.raises(LivemoodError, match="cannot be used") as refused:
        Study(SECTION, "shared", 1, tmp_path, 0, Shared(storage, "recipe"))
    assert "\n" not in str(refused.value)
