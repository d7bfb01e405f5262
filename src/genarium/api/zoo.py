"""The zoo: trained models that can be used at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from genarium.api._results import Result, aligned
from genarium.verbs import Flag, Help, verb

if TYPE_CHECKING:
    from genarium.zoo.catalogue import Entry

Name = Annotated[str, Flag(metavar="NAME"), Help("a name of `genarium zoo list`")]
HEADS = ("name", "family", "data", "score (95 % interval)", "minutes", "kB", "")


@dataclass(repr=False)
class Zoo(Result):
    """The models of the zoo. entries: each as `genarium.zoo.catalogue.Entry`. here: whether each
    can be loaded without a network."""

    entries: list[Entry]
    here: list[bool]

    def to_dict(self) -> dict[str, Any]:
        return {"zoo": self.facts()}

    def facts(self) -> Any:
        return [_facts(entry, here) for entry, here in zip(self.entries, self.here, strict=True)]

    def text(self) -> str:
        rows: list[tuple[str, ...]] = [HEADS]
        for entry, here in zip(self.entries, self.here, strict=True):
            rows.append((*cells(entry), "" if here else "to fetch"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


@dataclass(repr=False)
class Shown(Result):
    """What is known of a model of the zoo. where: its weights are now, in words; "": not here."""

    entry: Entry
    where: str

    def to_dict(self) -> dict[str, Any]:
        return _facts(self.entry, bool(self.where))

    def text(self) -> str:
        from genarium.zoo.catalogue import interval

        entry, name = self.entry, f"zoo:{self.entry.name}"
        scores = {str(row["name"]): _score(row, interval(row)) for row in entry.scores}
        single, half = (entry.precision[key] for key in ("single", "half"))
        moved = f"{entry.precision['score']} {half:.4g}, in single precision {single:.4g}"
        facts = {
            "what": f"{entry.recipe} ({' / '.join(entry.taxonomy)}; {entry.paper})",
            "data": f"{entry.data}, {'x'.join(map(str, entry.shape[1:]))}, "
            + ("grey" if entry.shape[0] == 1 else f"{entry.shape[0]} channels"),
            "licence of the data": entry.data_licence,
            "attribution": entry.attribution,
            "licence of the weights": entry.licence,
            "made by": entry.command,
            "cost": f"{entry.minutes:.1f} processor minutes of {entry.machine}",
            "weights": f"step {entry.step:,}, {entry.parameters:,} parameters in "
            f"{'half' if entry.half else 'single'} precision ({moved})",
            "size": f"{entry.size / 1000:,.0f} kB in {len(entry.files)} files, "
            + (self.where or "to be fetched once"),
            "scores": scores,
            "published": _published(entry),
            "scored by": f"genarium evaluate {name} {entry.evaluate}".strip(),
        }
        lines = [name, aligned({k: v for k, v in facts.items() if v}, "  "), ""]
        first = "reconstruct" if entry.recipe == "autoencoder" else "sample"
        if not self.where:
            lines += [f"fetch it: genarium zoo fetch {entry.name} --from PLACE"]
        lines += [f"use it:   genarium {first} {name}", f'          genarium.load("{name}")']
        return "\n".join(lines)


@dataclass(repr=False)
class Fetched(Result):
    """A model of the zoo that is here now. folder: its run folder."""

    name: str
    folder: Path
    size: int

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "folder": str(self.folder), "bytes": self.size}

    def text(self) -> str:
        return f"zoo:{self.name} is here, {self.size / 1000:,.0f} kB: {self.folder}"


def cells(entry: Entry) -> tuple[str, ...]:
    """A row of the table of all: name, family, data, score, minutes, kB."""
    from genarium.zoo.catalogue import interval

    row = entry.headline
    score = f"{row['name']} {interval(row)}"
    size = f"{entry.size / 1000:,.0f}"
    return (entry.name, entry.recipe, entry.data, score, f"{entry.minutes:.1f}", size)


def _published(entry: Entry) -> str:
    if not entry.published:
        return ""
    what = "{value} after {epochs:,} epochs, {paper}".format(**entry.published)
    return f"{entry.headline['name']} {what}"


def _score(row: Any, value: str) -> str:
    basis = ", ".join(f"{key} {each}" for key, each in row["basis"].items())
    unit = f" {row['unit']}" if row.get("unit") else ""
    return f"{value}{unit}; {basis}" if basis else f"{value}{unit}"


def _facts(entry: Entry, here: bool) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(entry), "command": entry.command, "bytes": entry.size, "here": here}


@verb("share", name="zoo list")
def list_zoo() -> Zoo:
    """List the trained models that can be used at once: RUN is zoo:NAME in every verb."""
    from genarium.zoo import files
    from genarium.zoo.catalogue import catalogue

    entries = [*catalogue().entries.values()]
    return Zoo(entries, [files.is_here(entry) for entry in entries])


@verb("share", name="zoo show")
def show_zoo(name: Name) -> Shown:
    """What a model of the zoo is: data, command, scores, licence, size, and how to load it."""
    from genarium.zoo import files
    from genarium.zoo.catalogue import catalogue

    entry = catalogue().get(name.removeprefix("zoo:"))
    return Shown(entry, files.whereabouts(entry))


@verb("share", name="zoo fetch")
def fetch_zoo(
    name: Name,
    *,
    from_place: Annotated[str | None, Flag("--from", "PLACE")] = None,
    progress: bool | None = None,
) -> Fetched:
    """Fetch a model of the zoo that is not in the package; each file's SHA-256 is compared.

    It is kept in the cache (GENARIUM_CACHE says where), so once is enough.

    from_place: an address with https:// or a folder that has it as NAME/FILE (default: where the
        catalogue says).
    """
    from genarium.zoo import files
    from genarium.zoo.catalogue import catalogue

    entry = catalogue().get(name.removeprefix("zoo:"))
    folder = files.folder(entry.name, from_place, progress=bool(progress))
    return Fetched(entry.name, folder, entry.size)
