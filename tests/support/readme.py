"""The README's parts that a machine keeps true: its curl session with the output, and the settings table.

``python -m tests.support.readme URL PICTURE`` writes both anew, with what the session printed at URL.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from libs.shared.settings import LimitSettings, RuntimeSettings
from services.api.settings import ApiSettings
from services.audit.settings import AuditSettings
from services.cli.settings import UpSettings
from services.decoder.settings import DecoderSettings
from services.notifier.settings import NotifierSettings
from services.thumbnailer.settings import ThumbnailerSettings

README = Path(__file__).parents[2] / "README.md"
SETTINGS: tuple[type[BaseSettings], ...] = (
    ApiSettings,
    UpSettings,
    RuntimeSettings,
    LimitSettings,
    DecoderSettings,
    ThumbnailerSettings,
    AuditSettings,
    NotifierSettings,
)


def part(name: str, file: Path = README) -> str:
    """What stands between two marks of the README, or of another page."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", file.read_text(), re.DOTALL)
    assert found is not None, name
    return found.group(1)


def session_script(url: str, file: Path) -> str:
    """The commands of a page's curl session, against another address."""
    code = "".join(re.findall(r"```bash\n(.*?)```", part("session", file), re.DOTALL))
    return code.replace("ALBUM=http://127.0.0.1:8000", f"ALBUM={url}")


def run_session(url: str, picture: Path, directory: Path, file: Path = README) -> str:
    """Run a page's session in a directory that has the picture as beach.jpg; what it printed, an answer a line."""
    (directory / "beach.jpg").write_bytes(picture.read_bytes())
    # Each answer ends without a newline; a reader wants one.
    script = session_script(url, file).replace("curl -s ", "curl -sS -w '\\n' ")
    done = subprocess.run(["bash", "-euc", script], cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return re.sub(r"\n+", "\n", done.stdout).strip()


def settings_table() -> str:
    """A row for each setting: variable, default, meaning."""
    rows: dict[str, str] = {}
    for settings in SETTINGS:
        prefix = settings.model_config.get("env_prefix", "")
        for name, field in settings.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings):
                continue
            variable = f"{prefix}{name}".upper()
            default = "" if field.default_factory or field.default is None else str(field.default)
            default = default.removeprefix(f"{README.parent}/")
            if isinstance(field.default, SecretStr):
                default = field.default.get_secret_value()
            shown = f"`{default}`" if default else ""
            rows.setdefault(variable, f"| `{variable}` | {shown} | {field.description or ''} |")
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows.values(), ""])


def _replace(name: str, text: str) -> None:
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    README.write_text(marks.sub(lambda found: found.group(1) + text + found.group(2), README.read_text()))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        printed = run_session(sys.argv[1], Path(sys.argv[2]), Path(name))
    _replace("output", f"```\n{printed}\n```\n")
    _replace("settings", settings_table())
