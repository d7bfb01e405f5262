"""`--processes N`: as documented, and all processes end together."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genarium.cli import main, processes
from genarium.cli.processes import launch

ROOT = Path(__file__).parent.parent.parent
PYTHON = (sys.executable, "-c")
SOURCES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINES = [
    line
    for source in SOURCES
    for line in re.findall(
        r"(?:accelerate|torchrun|genarium)[^`\n]*--\w*process[^`\n]*", source.read_text()
    )
]


def alive(process: int) -> bool:
    """Is there such a process, other than one that has ended and is not collected yet?"""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def children(process: int) -> list[int]:
    result = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in result.split()]


def start(folder: Path, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The run folder and the words of the line that the documentation has, trained as it says."""
    folder = tmp_path_factory.mktemp("documented")
    (line,) = {line for line in LINES if line.startswith("genarium train") and "N" not in line}
    words = shlex.split(line)
    words = [*words[: words.index("...")], "--data", "digits", *words[words.index("...") + 1 :]]
    tiny = ["--steps", "3", "--batch", "8", "--width", "2", "--device", "cpu", "--out", "run"]
    process = start(folder, [*words, *tiny, "--quiet"])
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert out.count("at step 3") == 1, "said once"
    assert errors == ""
    return folder, words


def test_the_documented_line_trains_as_many_as_it_says(documented: tuple[Path, list[str]]) -> None:
    folder, words = documented
    asked = int(words[words.index("--processes") + 1])
    assert asked > 1
    state = json.loads((folder / "run" / "checkpoints" / "00000003" / "state.json").read_text())
    assert state["world"] == asked


def test_no_document_names_a_launcher_that_starts_one() -> None:
    assert LINES
    assert not [line for line in LINES if line.startswith("accelerate")]


def test_all_end_when_one_is_killed_and_the_run_goes_on(
    documented: tuple[Path, list[str]],
) -> None:
    folder, _ = documented
    again = ["genarium", "resume", "run", "--quiet", "--processes", "2", "--log-every", "1"]
    log = folder / "run" / "metrics.jsonl"
    process = start(folder, [*again, "--steps", "1000000", "--checkpoint-every", "10"])
    while '"step": 12,' not in log.read_text():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGKILL
    assert (
        "process 2 of 2 was killed by SIGKILL: go on with `genarium resume RUN --processes 2`"
        in errors
    )
    assert "Traceback" not in errors
    assert not any(map(alive, workers))
    process = start(folder, [*again, "--steps", "1000000"])
    while '"step": 25,' not in log.read_text():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.count("stopped by SIGTERM") == 1, errors
    assert "go on with `genarium resume run --processes 2`" in errors
    assert "genarium resume run --processes 2 " in (folder / "run" / "README.md").read_text()


# ------------------------------------------------------------------ with stand-ins for trainings


RANK = "import os, sys, time; rank = os.environ['RANK']\n"
DIE = "os.kill(os.getpid(),"
LATE = "rank == '1' and time.sleep(0.5); "
KILLED = "genarium: stopped: process 2 of 3 was killed by "
GO_ON = ": go on with `genarium resume RUN --processes 3`; where there is no RUN yet, "
GO_ON += "give the same command again\n"


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("pass", 0, ""),
        ("sys.exit(2)", 2, ""),
        # one mistake of all is told once, that of one is told with its number
        ("print('bad flag', file=sys.stderr); sys.exit(2)", 2, ""),
        ("rank == '1' and sys.exit('no memory')", 1, "process 2 of 3: no memory\n"),
        ("sys.exit('gone' if rank == '2' else 0)", 1, "process 3 of 3: gone\n"),
        # the others hang: ended after the grace
        ("sys.exit(1) if rank == '0' else time.sleep(100000)", 1, ""),
        ("sys.exit('x') if rank == '2' else time.sleep(100000)", 1, "process 3 of 3: x\n"),
        (f"{DIE} 9) if rank == '1' else time.sleep(100000)", 137, f"{KILLED}SIGKILL{GO_ON}"),
        # one that was lost is the cause, though those that lost it may be over before it is
        (f"{DIE} 9 if rank == '1' else 6)", 137, f"{KILLED}SIGKILL{GO_ON}"),
        (f"{LATE}{DIE} 9) if rank == '1' else sys.exit(75)", 137, f"{KILLED}SIGKILL{GO_ON}"),
        (f"{LATE}sys.exit('x') if rank == '1' else {DIE} 6)", 1, "process 2 of 3: x\n"),
        (f"{LATE}{DIE} 6) if rank == '1' else sys.exit(75)", 134, f"{KILLED}SIGABRT{GO_ON}"),
        ("sys.exit(75)", 1, ""),
    ],
)
def test_how_they_end(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    status: int,
    said: str,
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.2 if "100000" in program else 1000.0)
    assert launch(3, [RANK + program], PYTHON) == status
    assert capsys.readouterr().err == said


def test_each_knows_its_place(tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT")
    program = (
        f"{RANK}open(f'{tmp_path}/{{rank}}', 'w').write(' '.join(map(os.environ.get, {names})))"
    )
    assert launch(2, [program], PYTHON) == 0
    first, second = ((tmp_path / name).read_text().split() for name in "01")
    assert first[:4] == ["0", "0", "2", "2"]
    assert second[:4] == ["1", "1", "2", "2"]
    assert first[4] == second[4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("at", ["the command", "its group"])
def test_signals_reach_each_of_them_once(tmp_path: Path, number: int, at: str) -> None:
    """Also those that a terminal sends to all of its foreground group."""
    worker = (
        f"import os, signal, time; from pathlib import Path; rank = os.environ['RANK']\n"
        f"def got(*_): open(f'{tmp_path}/got-{{rank}}', 'a').write('x')\n"
        f"signal.signal({int(number)}, got)\n"
        f"Path('{tmp_path}', rank).touch()\n"
        f"while not Path('{tmp_path}', f'got-{{rank}}').exists(): time.sleep(0.01)\n"
        f"time.sleep(0.3); os._exit({128 + number})"
    )
    program = "import sys; from genarium.cli.processes import launch\n"
    program += f"sys.exit(launch(2, [{worker!r}], {PYTHON!r}))"
    process = subprocess.Popen([*PYTHON, program], start_new_session=True)
    while not all((tmp_path / name).exists() for name in "01"):
        assert process.poll() is None
        time.sleep(0.01)
    if at == "the command":
        process.send_signal(number)
    else:
        os.killpg(process.pid, number)
    assert process.wait() == 128 + number
    assert [(tmp_path / f"got-{rank}").read_text() for rank in "01"] == ["x", "x"]


def test_none_is_left_when_the_command_is_killed(tmp_path: Path) -> None:
    worker = (
        f"import os, time; from pathlib import Path; from genarium.cli.processes import _watch\n"
        f"_watch(); Path('{tmp_path}', os.environ['RANK']).touch(); time.sleep(100000)"
    )
    program = "import sys; from genarium.cli.processes import launch\n"
    program += f"sys.exit(launch(2, [{worker!r}], {PYTHON!r}))"
    process = subprocess.Popen([*PYTHON, program])
    while not all((tmp_path / name).exists() for name in "01"):
        assert process.poll() is None
        time.sleep(0.01)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    while any(map(alive, workers)):  # else the test hangs
        time.sleep(0.01)


def test_mistakes_are_told_once_and_before_any_process_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processes, "launch", lambda *_: pytest.fail("started"))
    for command, words in (
        ("train dcgan --processes 2 --lr -1", "--lr '-1'"),
        ("train dcgan --processes 0", "--processes '0': give a number of at least 1"),
        ("resume nowhere --processes 2", "nowhere is not a run folder"),
    ):
        assert main(command.split()) == 2
        assert words in capsys.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "0")
    assert main(["train", "dcgan", "--processes", "2"]) == 2
    assert "--processes 2: a launcher started 3" in capsys.readouterr().err
