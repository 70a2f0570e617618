"""Completion, asked by real shells."""

import functools
import os
import shlex
import shutil
import subprocess

import pytest
from started import command


@pytest.fixture
def shell_environment(tmp_path):
    """An environment in which `livemood` is this interpreter's."""
    program = tmp_path / "livemood"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', "utf-8")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}


@functools.cache
def script(shell):
    asked = [*command(), "completion", shell]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def answer(shell, arguments, program, env):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    asked = [shell, *arguments, program]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=env, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
def test_bash_completes_commands_and_options(shell_environment):
    ask = script("bash") + (
        '\nCOMP_WORDS=({}); COMP_CWORD={}; _livemood_completion livemood; echo "${{COMPREPLY[@]}}"'
    )
    for words, place, expected in (
        ("livemood ana", 1, ["analyze"]),
        ("livemood listen --spe", 2, ["--speed"]),
    ):
        program = script("bash") + ask[len(script("bash")) :].format(words, place)
        assert answer("bash", ["--norc", "-c"], program, shell_environment) == expected


def test_fish_completes_commands_and_options(shell_environment):
    program = script("fish") + '\ncomplete -C "livemood ana"\ncomplete -C "livemood listen --spe"'
    said = answer("fish", ["--no-config", "-c"], program, shell_environment)
    assert "analyze" in said
    assert "--speed" in said


def test_zsh_takes_the_script_and_is_answered(shell_environment):
    program = (
        "compdef() { echo defined $@ }\n"
        "_arguments() { echo offered $@ }\n"
        "_describe() { echo offered ${(P)2} }\n"
        f"{script('zsh')}\n"
        "words=(livemood ana); CURRENT=2; _livemood_completion"
    )
    said = answer("zsh", ["-f", "-c"], program, shell_environment)
    assert said[0] == "defined"
    assert any("analyze" in word for word in said)


def test_a_shell_that_is_not_known_is_said():
    done = subprocess.run(
        [*command(), "completion", "tcsh"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "tcsh" in done.stderr
