"""What commands begin and end with: their settings and the log, and where their answer goes."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.settings import Settings

_SettingsKind = TypeVar("_SettingsKind", bound="Settings")


def settings_for(kind: "type[_SettingsKind]") -> "_SettingsKind":
    """Read the settings of that *kind*, and begin the log as they say."""
    from pipeline import logs
    from pipeline.settings import read_settings

    settings = read_settings(kind)
    logs.configure(settings.log_level)
    return settings


def show(*tables: "Table") -> None:
    """Show *tables* as wide as the terminal is; in a pipe, as text of its own width."""
    from rich.console import Console

    from pipeline.output import plain

    console = Console()
    if console.is_terminal:
        console.print(*tables)
    else:
        click.echo(plain(*tables), nl=False)


def deliver(text: str, output: Path | None) -> None:
    """Write *text* to the file *output*; without one, to standard output."""
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
