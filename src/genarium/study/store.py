"""Answers on disk: SQLite, so that what was acknowledged survives whatever happens next.

A rollback journal with `synchronous=FULL`: a commit returns when the answer is on the disk, in the
file itself. (A write-ahead log would be faster, but of a damaged log SQLite drops the end without a
word.) The primary key (participant, position) makes an answer count once, however often it is sent.
Nothing about a participant is kept but a random token: no name, no address, no time of day.

SQLite has no sums over what it holds, and most one-bit errors read as another answer. So each
participant has a seal: SHA-256 over the trials, and a chain h' = SHA-256(h, answer) over the
answers. Every opening checks all of them, and the words of the schema. Databases of version 1 have
none.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from genarium.errors import UserError, one_line
from genarium.study.manifest import Answer
from genarium.study.plan import Trial, staircase

APPLICATION = 0x47454E53  # "GENS"
VERSION = 2
UNSEALED = 1
"""The version of databases without seals; they are read and written as they are."""
BUSY_S = 10.0
"""How long a reader or writer waits for a database that another process has locked."""

TABLES = (
    "CREATE TABLE study (id TEXT NOT NULL)",
    "CREATE TABLE participant (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE)",
    """CREATE TABLE trial (
    participant INTEGER NOT NULL REFERENCES participant (id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('practice', 'test', 'check')),
    picture TEXT,
    wanted TEXT NOT NULL CHECK (wanted IN ('real', 'fake')),
    block INTEGER,
    PRIMARY KEY (participant, position)
) WITHOUT ROWID""",
    """CREATE TABLE answer (
    participant INTEGER NOT NULL,
    position INTEGER NOT NULL,
    answer TEXT NOT NULL CHECK (answer IN ('real', 'fake')),
    response_ms REAL NOT NULL,
    exposure_ms REAL,
    shown_ms REAL,
    PRIMARY KEY (participant, position),
    FOREIGN KEY (participant, position) REFERENCES trial (participant, position)
) WITHOUT ROWID""",
)
SEAL = """CREATE TABLE seal (
    participant INTEGER PRIMARY KEY REFERENCES participant (id),
    trials TEXT NOT NULL,
    answers TEXT NOT NULL
)"""


class Given(NamedTuple):
    """An answer. response_ms: from the picture's appearing. exposure_ms: how long it was to be
    seen, shown_ms: how long it was, by the browser's frames; None in the untimed mode."""

    answer: Answer
    response_ms: float
    exposure_ms: float | None = None
    shown_ms: float | None = None


class Row(NamedTuple):
    """A trial of a participant, with the answer if there is one."""

    participant: int
    position: int
    trial: Trial
    given: Given | None

    @property
    def right(self) -> bool:
        """Whether the answer is the one wanted."""
        return self.given is not None and self.given.answer == self.trial.wanted


class OutOfTurn(Exception):
    """An answer to a trial that the participant has not reached."""


def create(path: Path, study: str) -> None:
    """Make the empty database of a new study."""
    with sqlite3.connect(path) as connection:
        for table in (*TABLES, SEAL):
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("INSERT INTO study VALUES (?)", (study,))
    connection.close()


class Store:
    """The answers of one study. Every call may come from another thread or process.

    Raises UserError when the file is missing, damaged, or of another study; it is never made
    anew, so answers in a damaged file can still be recovered.
    """

    def __init__(self, path: Path, study: str):
        self.path, self.study = path, study
        damaged = f"{path} is damaged"
        remedy = "restore it from a copy; it was left as it is"
        try:
            # One connection stays open: of a database with a write-ahead log (version 1), closing
            # the last one would fold the log into the file, which costs more than the answer.
            self._kept = self._open()
            (integrity,) = self._kept.execute("PRAGMA integrity_check(1)").fetchone()
            if integrity != "ok":
                raise UserError(f"{damaged} ({integrity.splitlines()[-1]}): {remedy}")
            (application,) = self._kept.execute("PRAGMA application_id").fetchone()
            (version,) = self._kept.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION or version not in (UNSEALED, VERSION):
                raise UserError(f"{path} is no database of answers: {remedy}")
            self.sealed = version == VERSION
            self._kept.execute("BEGIN")  # one state, whoever writes meanwhile
            wrong = _wrong(self._kept, study, self.sealed)
            self._kept.execute("COMMIT")
            if wrong == STRANGE:
                raise UserError(f"{path} belongs to another study: {remedy}")
            if wrong:
                raise UserError(f"{damaged} ({wrong}): {remedy}")
        except sqlite3.OperationalError as error:
            if "decode" in str(error):
                raise UserError(f"{damaged} ({one_line(str(error))}): {remedy}") from None
            if path.is_file() and "unable to open" not in str(error):
                raise UserError(f"{path} cannot be used ({error}): free it and try again") from None
            raise UserError(f"{path} cannot be opened: {remedy}") from None
        except (sqlite3.DatabaseError, UnicodeError, TypeError, ValueError) as error:
            # the last three: values that are not what the tables may hold
            raise UserError(f"{damaged} ({one_line(str(error))}): {remedy}") from None

    def close(self) -> None:
        """Fold the log into the file."""
        self._kept.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            # emptied and synced at each commit; a journal that is removed could come back
            connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Committed at the end, nothing of it kept after an error."""
        connection = self._open()
        try:
            # IMMEDIATE: waits for the lock here, where waiting is allowed, not at the first write
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            connection.close()

    # ------------------------------------------------------------------ participants

    def join(self, plan: Callable[[Mapping[str, int]], Sequence[Trial]]) -> str:
        """A new participant; gives the token. `plan` gets how often each picture was planned."""
        token = secrets.token_urlsafe(16)
        with self._transaction() as connection:
            counted = connection.execute(
                "SELECT picture, count(*) FROM trial WHERE kind = 'test' GROUP BY picture"
            )
            trials = plan(Counter(dict(counted)))
            participant = connection.execute(
                "INSERT INTO participant (token) VALUES (?)", (token,)
            ).lastrowid
            connection.executemany(
                "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?)",
                [(participant, position, *trial) for position, trial in enumerate(trials)],
            )
            if self.sealed:
                assert participant is not None
                rows = [Row(participant, i, trial, None) for i, trial in enumerate(trials)]
                first, last = _seals(self.study, token, rows)
                connection.execute("INSERT INTO seal VALUES (?, ?, ?)", (participant, first, last))
        return token

    def of(self, token: str) -> list[Row]:
        """The trials of a participant in their order; empty for an unknown token."""
        connection = self._open()
        try:
            return _rows(connection, "WHERE participant.token = ?", token)
        finally:
            connection.close()

    def everything(self) -> list[Row]:
        """All trials of all participants, in their order."""
        connection = self._open()
        try:
            return _rows(connection, "")
        finally:
            connection.close()

    def answer(
        self,
        token: str,
        position: int,
        answer: Answer,
        response_ms: float,
        shown_ms: float | None = None,
    ) -> bool:
        """Keep an answer; on return it is on the disk.

        Gives False for a trial that was answered before: the first answer stays. Raises KeyError
        for an unknown token, OutOfTurn for a trial that is not next.
        """
        with self._transaction() as connection:
            rows = _rows(connection, "WHERE participant.token = ?", token)
            if not rows:
                raise KeyError(token)
            following = next((row.position for row in rows if row.given is None), len(rows))
            if position < following:
                return False
            if position != following or position == len(rows):
                raise OutOfTurn(f"{position} is not next: {following} is")
            exposure = None if shown_ms is None else exposure_of(rows, position)
            connection.execute(
                "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?)",
                (rows[0].participant, position, answer, response_ms, exposure, shown_ms),
            )
            if self.sealed:
                participant = rows[0].participant
                seal = "SELECT answers FROM seal WHERE participant = ?"
                (before,) = connection.execute(seal, (participant,)).fetchone()
                given = Given(answer, float(response_ms), _real(exposure), _real(shown_ms))
                connection.execute(
                    "UPDATE seal SET answers = ? WHERE participant = ?",
                    (_link(before, position, given), participant),
                )
        return True


def exposure_of(rows: Sequence[Row], position: int) -> int:
    """How long the picture of this trial is to be seen, in ms: its block's staircase so far."""
    block = rows[position].trial.block
    before = (row for row in rows[:position] if row.trial.kind == "test")
    return staircase([row.right for row in before if row.trial.block == block])


def _rows(connection: sqlite3.Connection, where: str, *values: str) -> list[Row]:
    rows = connection.execute(
        "SELECT trial.participant, trial.position, kind, picture, wanted, block,"
        " answer, response_ms, exposure_ms, shown_ms"
        " FROM trial JOIN participant ON participant.id = trial.participant"
        " LEFT JOIN answer USING (participant, position)"
        f" {where} ORDER BY trial.participant, trial.position",
        values,
    )
    return [
        Row(row[0], row[1], Trial(*row[2:6]), None if row[6] is None else Given(*row[6:]))
        for row in rows
    ]


# ------------------------------------------------------------------ seals

STRANGE = "another study"


def _wrong(connection: sqlite3.Connection, study: str, sealed: bool) -> str:
    """What is not as it was written; "" where nothing is."""
    kept = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    wanted = {*TABLES, *((SEAL,) if sealed else ())}
    if {_words(sql) for (sql,) in kept} != {_words(sql) for sql in wanted}:
        return "its tables are others"
    own = connection.execute("SELECT id FROM study").fetchall()
    if len(own) != 1:
        return f"{len(own)} studies"
    if own[0][0] != study:
        return STRANGE
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        return "an answer without its trial"
    rows: dict[int, list[Row]] = {}
    for row in _rows(connection, ""):
        rows.setdefault(row.participant, []).append(row)
    if not sealed:
        return ""
    tokens = dict(connection.execute("SELECT id, token FROM participant"))
    seals = {n: seal for n, *seal in connection.execute("SELECT * FROM seal")}
    if not tokens.keys() == seals.keys() == rows.keys():
        return "a participant is missing"
    for number, mine in rows.items():
        if [*_seals(study, tokens[number], mine)] != seals[number]:
            return f"the answers of participant {number} are not those that were stored"
    return ""


def _words(sql: str) -> str:
    return " ".join(sql.split())


def _seals(study: str, token: str, rows: Sequence[Row]) -> tuple[str, str]:
    """The seals over the trials of a participant, and over the answers so far."""
    trials = _digest(
        study, token, rows[0].participant, *((row.position, *row.trial) for row in rows)
    )
    chain = trials
    for row in rows:
        if row.given is not None:
            chain = _link(chain, row.position, row.given)
    return trials, chain


def _link(before: str, position: int, given: Given) -> str:
    return _digest(before, position, *given)


def _digest(*values: object) -> str:
    # as JSON: two lists of values never give one text
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _real(value: float | None) -> float | None:
    """As the database gives it back."""
    return None if value is None else float(value)
