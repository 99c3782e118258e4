"""``album fsck``: checks what is stored, and repairs it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from libs.catalog import fsck as checks
from libs.catalog.findings import Finding, Options, Report
from libs.shared.events import rfc3339
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.settings import HUNDRED_YEARS
from services.cli.catalog import with_catalog
from services.cli.console import counted

RUN = "command"
EX_FINDINGS_LEFT = 1


def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be; without it, only tell.")] = False,
    hash: Annotated[bool, typer.Option("--hash", help="Read every picture and compare its hash.")] = False,
    horizon: Annotated[
        float,
        typer.Option(
            min=0,
            max=HUNDRED_YEARS["hours"],
            metavar="HOURS",
            help="Age from which bytes that nothing names are left behind.",
        ),
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines: each finding, then the summary.")] = False,
) -> None:
    """Check that records, pictures and bytes belong together. A run that was interrupted goes on where it was.

    Ends with 0 if all is well or repaired, with 1 if something is left.
    """
    options = Options(repair=repair, hash=hash, horizon=timedelta(hours=horizon))
    console = Console(highlight=False, markup=False, soft_wrap=True)

    def tell(finding: Finding) -> None:
        if as_json:
            typer.echo(json.dumps(asdict(finding)))
        else:
            done = "repaired" if finding.is_repaired else "found"
            console.print(
                f"{done} {finding.kind} {finding.subject}: {finding.detail} ({counted(finding.bytes, 'byte')})"
            )

    report = with_catalog(lambda catalog: checks.run(catalog, GridFsBlobStore(catalog.database), RUN, options, tell))
    if as_json:
        typer.echo(json.dumps({"summary": _summary(report)}))
    else:
        _print(console, report)
    raise typer.Exit(EX_FINDINGS_LEFT if report.left else 0)


def _summary(report: Report) -> dict[str, object]:
    return {
        "started_at": rfc3339(report.started_at),
        "is_resumed": report.is_resumed,
        "checked": report.checked,
        "findings": {kind: asdict(count) for kind, count in report.findings.items()},
        "left": report.left,
    }


def _print(console: Console, report: Report) -> None:
    if report.findings:
        table = Table("finding", "found", "repaired", "bytes")
        for kind, count in sorted(report.findings.items()):
            table.add_row(kind, f"{count.found:,}", f"{count.repaired:,}", f"{count.bytes:,}")
        console.print(table)
    checked = ", ".join(counted(count, what.removesuffix("s")) for what, count in report.checked.items())
    since = f" (continued the run of {rfc3339(report.started_at)})" if report.is_resumed else ""
    outcome = counted(report.left, "finding is left", "findings are left") if report.left else "all is well"
    console.print(f"checked {checked}{since}: {outcome}")
