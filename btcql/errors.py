"""Every error that btcql raises on purpose.

BtcqlError                      the root: its message names the value and the way out
|- SettingError                 a setting that cannot be used
|- InputError                   a file that cannot be taken, with its line
|- SourceError                  an exchange cannot give what is asked of it
|  `- SourceUnavailableError    it does not answer as it should, however often it is asked
|- LakeError                    the raw lake is damaged or not writable
|- DatabaseError                the database refused or is not what is needed
|  |- DatabaseUnavailableError  it does not answer
|  |  `- DatabaseBusyError      not this question: too many others wait
|  `- MigrationError            a migration failed or differs from what was applied
|- PipelineError                a Luigi run did not finish all that was asked
|  `- CrashError                a worker process ended in the middle of a task
|- ForecastError                no sound forecast can be made from these bars
`- QueryError                   a question the API cannot answer; carries the contract's code
"""

from __future__ import annotations


class BtcqlError(Exception):
    """The root of the tree; the command line prints it in one line and exits with 1."""


class SettingError(BtcqlError):
    """A setting (BTCQL_...) or an option that cannot be used."""


class InputError(BtcqlError):
    """A data file that cannot be taken; says which file, which line, and why."""

    def __init__(self, file: str, reason: str, line: int | None = None) -> None:
        self.file, self.reason, self.line = file, reason, line
        super().__init__(f"{file}{f', line {line}' if line is not None else ''}: {reason}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, int | None]]:
        """Go from one process to another whole."""
        return InputError, (self.file, self.reason, self.line)


class SourceError(BtcqlError):
    """An exchange cannot give what is asked of it: a symbol it does not list, bars it no longer has."""


class SourceUnavailableError(SourceError):
    """An exchange cannot be reached, refuses, or answers with something else than bars."""


class LakeError(BtcqlError):
    """A raw object that does not match its checksum, or a lake that cannot be written."""


class DatabaseError(BtcqlError):
    """The database cannot do what is asked."""


class DatabaseUnavailableError(DatabaseError):
    """The database does not answer."""


class DatabaseBusyError(DatabaseUnavailableError):
    """The database has no session to spare: too many wait for one."""


class MigrationError(DatabaseError):
    """A migration failed, or an applied one's file has changed since."""


class PipelineError(BtcqlError):
    """A Luigi run ended without all that was asked for being complete."""


class CrashError(PipelineError):
    """A worker process ended in the middle of a task."""


class ForecastError(BtcqlError):
    """The bars do not allow a sound forecast; the message says why."""


class QueryError(BtcqlError):
    """A question that the API refuses; `code` and `extensions` are part of the contract."""

    def __init__(self, code: str, message: str, **extensions: object) -> None:
        self.code = code
        self.extensions: dict[str, object] = {"code": code, **extensions}
        super().__init__(message)
