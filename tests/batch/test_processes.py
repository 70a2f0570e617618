"""Processes of this machine: a file that kills its process costs itself alone."""

import os
import signal

import pytest

from livemood.batch import ArchiveFile, Outcome
from livemood.batch.processes import read_here


def read(file):
    """What a decoder with a fault does: no exception, the process is gone."""
    if file.name.startswith("fatal"):
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(file, text=file.name)


@pytest.mark.slow
def test_a_file_that_kills_its_process_fails_alone():
    names = ["a", "fatal1", "b", "c", "fatal2", "d", "e", "f"]
    found = list(read_here([ArchiveFile(name, f"/{name}") for name in names], read, 2))
    assert sorted(outcome.file.name for outcome in found) == sorted(names)
    failed = {outcome.file.name: outcome.failure for outcome in found if outcome.failure}
    assert failed == {
        "fatal1": "/fatal1: the process that read it died",
        "fatal2": "/fatal2: the process that read it died",
    }
