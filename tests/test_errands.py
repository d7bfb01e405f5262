"""The seven errands of docs/extending.md, done as they are written, each in a temporary folder.

Those of docs/architecture.md (a model, a metric, a verb, a data set) are in `test_docs.py`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genarium import Spec, cli, load, plugins, recipes, verbs
from genarium.errors import UserError

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- runnable: (\S+) -->\n```python\n(.*?)```", TEXT, re.DOTALL))
TINY = ["--steps", "3", "--batch", "8", "--device", "cpu", "--quiet"]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder, whose folder `own` is in GENARIUM_PATH."""
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.PATH, "own")  # a relative place, as one types it
    sampling = vars(verbs.catalogue()["sample"].load())
    sampling.pop("arguments", None)  # a process reads the flags of all samplers once
    yield tmp_path / "own"
    sampling.pop("arguments", None)


def put(own: Path, name: str) -> None:
    (own / name).write_text(BLOCKS[name], encoding="utf-8")


def genarium(command: str, *more: str) -> None:
    assert cli.main([*command.split(), *more]) == 0


def test_the_vaes_loss_is_where_the_page_says(own: Path) -> None:
    """The diff's line stands in the file; the page's class logs the changed loss."""
    (diff,) = re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL)
    named, _, old, _ = diff.splitlines()
    file = ROOT / named.removeprefix("--- a/")
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    (model,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "VAE")
    (step,) = (n for n in model.body if isinstance(n, ast.FunctionDef) and n.name == "step")
    assert old[1:] in (ast.get_source_segment(text, step, padded=True) or "")
    assert text.count(old[1:]) == 1
    put(own, "capacity.py")
    # of the one Gaussian that `learned` has the logged KL is the rate; of a mixture it is less
    train = "train capacity-vae --data digits --width 4 --prior learned --log-every 1"
    genarium(f"{train} --out runs/vae", *TINY)
    rows = [json.loads(line) for line in Path("runs/vae/metrics.jsonl").read_text().splitlines()]
    losses = [row for row in rows if "losses" in row]
    for row in losses:
        rate, kl = row["losses"]["vae/rate"], row["metrics"]["vae/kl"]
        assert rate == pytest.approx(abs(kl - 20), rel=1e-4)
    assert losses


def test_an_objective_touches_one_file(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(own, "pearson.py")
    with pytest.raises(SystemExit):
        cli.main(["train", "gan", "--help"])
    assert "relativistic,pearson}" in capsys.readouterr().out
    train = (
        "train gan --data digits --architecture dcgan --width 4 --objective pearson --out runs/p"
    )
    genarium(train, *TINY)
    genarium("resume runs/p --steps 5 --quiet")
    genarium("evaluate runs/p -n 32 --metrics fid")
    run = load("runs/p")
    assert run.step == 5
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([1.0, -3.0])
    objective = run.model.objective  # type: ignore[union-attr]
    assert objective.discriminator_loss(real, fake) == (1 + 1) / 4 + (4 + 4) / 4
    assert objective.generator_loss(None, fake) == (1 + 9) / 4


def test_a_run_says_when_its_objective_is_missing(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(own, "pearson.py")
    genarium("train gan --data digits --width 8 --objective pearson --out runs/p", *TINY)
    monkeypatch.delenv(plugins.PATH)
    assert cli.main(["sample", "runs/p"]) == 2
    assert "'pearson': there is none of this name: add the folder" in capsys.readouterr().err
    assert cli.main(["train", "gan", "--objective", "wassertein"]) == 2
    assert "did you mean 'wasserstein'?" in capsys.readouterr().err
    assert cli.main(["train", "gan", "--objective", "x"]) == 2
    assert "choose 'minimax', 'non-saturating'" in capsys.readouterr().err


def test_objectives_that_cannot_work_are_refused() -> None:
    from dataclasses import dataclass

    from genarium.models.gan.objectives import Objective
    from genarium.models.gan.own import objective

    class Half(Objective):
        def generator_loss(self, real: object, fake: torch.Tensor) -> torch.Tensor:
            return fake.mean()

    with pytest.raises(UserError, match="Half must be an Objective with discriminator_loss, outp"):
        objective("half")(Half)
    with pytest.raises(UserError, match="'minimax': the package has this name"):
        objective("minimax")

    @dataclass(frozen=True)
    class Open(Half):
        margin: float

        def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
            return fake.mean()

        def output(self, logits: torch.Tensor) -> torch.Tensor:
            return logits

    with pytest.raises(UserError, match="'open': give margin a default"):
        objective("open")(Open)


def test_a_family_touches_one_file(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(own, "mixture.py")
    genarium("models")
    assert "explicit\n" in (listed := capsys.readouterr().out)
    assert "\n  mixture\n    mixture " in listed
    train = "train mixture --data digits --components 4 --out runs/m"
    genarium(train, *TINY)
    genarium("sample runs/m --means -n 4 --out means.png")
    genarium("evaluate runs/m -n 32 --metrics fid --out scores.json")
    assert "exact, of 2 grey levels, threshold at 128" in capsys.readouterr().out
    genarium("compare runs/m -n 32 --metrics fid --out page.html")
    assert "Explicit, mixture" in Path("page.html").read_text(encoding="utf-8")
    model = recipes.get("mixture")(Spec(1, 2, 2), components=3)
    every = torch.tensor([[(number >> bit) % 2 for bit in range(4)] for number in range(16)])
    images = (255 * every).to(torch.uint8).view(16, 1, 2, 2)
    assert model.log_prob(images).exp().sum().item() == pytest.approx(1)  # type: ignore[operator]


def test_a_resumed_run_of_the_family_is_exact(own: Path) -> None:
    put(own, "mixture.py")
    train = "train mixture --data digits --components 4"
    genarium(f"{train} --out runs/whole", *TINY)
    genarium(f"{train} --out runs/parts", "--steps", "1", *TINY[2:])
    genarium("resume runs/parts --steps 3 --quiet")
    whole, parts = load("runs/whole").model.state_dict(), load("runs/parts").model.state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_metric_by_name_touches_one_file(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The functions of docs/architecture.md under the decorator that it names."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (decorator,) = re.findall(r"`(@metric\([^`]+)`", text)
    (block,) = re.findall(r"<!-- runnable: contrast.py -->\n```python\n(.*?)```", text, re.DOTALL)
    functions = block[: block.index("run = ")]
    assert functions.count("def contrast(") == 1
    header = "from genarium.evaluation.scores.own import metric\n"
    made = functions.replace("def contrast(", f"{decorator}\ndef contrast(")
    (own / "contrast.py").write_text(header + made, encoding="utf-8")
    genarium("train vae --data digits --width 4 --out runs/vae", *TINY)
    genarium("evaluate runs/vae -n 32 --metrics contrast")
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("contrast"))
    assert float(row.split()[1]) > 0


def test_an_export_touches_one_file(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(own, "weights.py")
    genarium("train vae --data digits --width 4 --ema 0.5 --out runs/vae", *TINY)
    genarium("weights runs/vae --out vae.safetensors")
    assert "parameters of" in capsys.readouterr().out
    state, saved = load("runs/vae").model.state_dict(), load_file("vae.safetensors")
    assert {*state} == {*saved}
    assert all(torch.equal(state[name], saved[name]) for name in state)
    assert cli.main(["weights", "runs/vae", "--out", "vae.pt"]) == 2
    assert "end it in .safetensors" in capsys.readouterr().err


def test_a_page_gets_all_from_a_verb(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    genarium("train vae --data digits --width 4 --out runs/vae-digits-1", *TINY)
    capsys.readouterr()
    results: dict[str, object] = {}
    exec(compile(BLOCKS["page.py"], "page.py", "exec"), results)
    assert results["facts"]["n"] == 16  # type: ignore[index]
    assert str(results["html"]).count("data:image/png") == 1
    assert bytes(results["png"]).startswith(b"\x89PNG")  # type: ignore[arg-type]
    assert {"n", "seed", "temperature"} <= {*results["signature"]}  # type: ignore[misc]


def test_every_place_that_the_page_names_is_there() -> None:
    rows = re.findall(r"\| .* \| (`.*?`) \| `(src/\S+\.py)` \|", TEXT)
    places = [(name, file) for names, file in rows for name in re.findall(r"`([\w.]+)`", names)]
    places += [("VAE.step", "src/genarium/models/vae/model.py")]
    assert len(places) > 7
    for name, file in places:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        at: ast.AST = tree
        for part in name.split("."):
            (at,) = (
                node
                for node in getattr(at, "body", [])
                if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
                and node.name == part
            )
    for file in re.findall(r"`(src/genarium/[\w/]+\.py)`", TEXT):
        assert (ROOT / file).is_file(), file
    assert len(BLOCKS) == 5
