"""Verbs over damaged files: a result, or an error of one line; never a traceback or a hang.

The command line's own `main` is called, so that exit codes and what is printed are those of a
shell. A failure names its seed: FUZZ_ROUNDS=1 FUZZ_SEED=7 tries that one alone.
"""

import contextlib
import io
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import ROUNDS
from mutations import Damage, hostile_bytes, hostile_json, hostile_matlab
from verb_world import COMMANDS, write_world

from tarvitpose.cli import main

FIRST = int(os.environ.get("FUZZ_SEED", "0"))
SECONDS = 60  # of processor time; nothing here takes more than a few


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder)
    return folder


@pytest.fixture
def folder(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder of its own, offline; a command that hangs is ended."""
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    hook = sys.unraisablehook
    yield world
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.unraisablehook = hook


def call(*arguments: str) -> tuple[int, str]:
    """Return the exit code of `tarvitpose ARGUMENTS`, and what it printed on stderr."""

    def too_long(*_: object) -> None:
        raise AssertionError(f"{arguments}: still running after {SECONDS} seconds")

    output, errors = io.StringIO(), io.StringIO()
    before, signal_handler = sys.argv, signal.signal(signal.SIGVTALRM, too_long)
    sys.argv = ["tarvitpose", *arguments]
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal_handler)
        sys.argv = before
    return code, errors.getvalue()


def copy_world(world: Path, folder: Path) -> None:
    """Copy what the verbs read; data sets, which they only read, are links."""
    shutil.copytree(world, folder, ignore=lambda *_: ["data"], dirs_exist_ok=True)
    shutil.copytree(world / "data", folder / "data", copy_function=os.link)


def damages(victim: str) -> tuple[Damage, ...]:
    special = {".json": hostile_json, ".mat": hostile_matlab}.get(Path(victim).suffix)
    return (hostile_bytes,) if special is None else (hostile_bytes, special, special)


def test_every_command_runs_over_whole_files(folder: Path) -> None:
    copy_world(folder, Path())
    for commands in COMMANDS.values():
        for command in commands:
            code, errors = call(*command)
            assert code in (0, 1 if command[:2] == ("data", "check") else 0), (command, errors)
            for made in ("prepared", "packed", "new", "results"):
                shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("victim", COMMANDS)
def test_damaged_files_are_read_or_refused_in_one_line(
    victim: str, folder: Path, tmp_path: Path
) -> None:
    for seed in range(FIRST, FIRST + max(ROUNDS // 40, 1)):
        draw = random.Random(f"{victim} {seed}")
        work = tmp_path / str(seed)
        copy_world(folder, work)
        os.chdir(work)
        shutil.copy(folder / victim, f"{victim}.copy")
        Path(f"{victim}.copy").replace(victim)
        draw.choice(damages(victim))(draw, work / victim)
        command = draw.choice(COMMANDS[victim])
        code, errors = call(*command)
        said = f"seed {seed}: {' '.join(command)}\n{errors}"
        assert code in (0, 1, 2), said
        assert code != 1 or command[:2] == ("data", "check"), said
        assert "Traceback" not in errors, said
        assert not {"\x1b", "\x07"} & {*errors}, said
        if code == 2:
            assert errors.splitlines()[-1].startswith("error: "), said
        os.chdir(tmp_path)
        shutil.rmtree(work)
