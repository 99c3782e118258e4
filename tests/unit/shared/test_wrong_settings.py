"""Settings that cannot be: whoever starts a process is told which variable is wrong, in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.settings import inherited_environment
from libs.shared.settings import LimitSettings, Settings, SharedSettings, WrongSetting
from services.api.settings import ApiSettings
from services.cli.settings import PROJECT, UpSettings
from services.decoder.settings import DecoderSettings
from services.notifier.settings import NotifierSettings
from services.thumbnailer.settings import ThumbnailerSettings
from tests.support import operator

WRONG = {
    "api": {"ALBUM_PORT": "x"},
    "decoder": {"ALBUM_MAX_BYTES": "50MB"},
    "thumbnailer": {"ALBUM_THUMBNAILER_SIZE": "0"},
    "audit": {"ALBUM_METRICS_PORT": "-1"},
    "notifier": {"ALBUM_NOTIFIER_ALLOW_NETWORKS": "mine"},
}
UNUSABLE = [
    {"ALBUM_MONGO_URL": "mongodb://anna:hunter2@db/?tls=true&tlsCAFile=/nowhere/authority.pem"},
    {"ALBUM_AMQP_URL": "amqps://anna:hunter2@broker/?cafile=/nowhere/authority.pem"},
]


@pytest.mark.parametrize(
    ("service", "environment"),
    [
        *WRONG.items(),
        *(("api", {name: "999"}) for name in ("ALBUM_TRUSTED_PROXIES", "ALBUM_CORS_ORIGINS", "ALBUM_ROOT_PATH")),
        *((service, urls) for service in WRONG for urls in UNUSABLE),
    ],
)
def test_a_service_ends_naming_the_variable(service: str, environment: dict[str, str]) -> None:
    [variable] = environment
    command = [sys.executable, "-m", f"services.{service}"]

    ended = subprocess.run(
        command, env=inherited_environment() | environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == os.EX_CONFIG
    assert ended.stderr.startswith(f"{service}: {variable}: ")
    assert ended.stderr.count("\n") == 1
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize(
    ("variable", "command"),
    [
        ("ALBUM_EVENT_RETENTION_DAYS", ("keys", "list")),
        ("ALBUM_PORT", ("status", "--once")),
        ("ALBUM_NOTIFIER_RETENTION_DAYS", ("webhooks", "list")),
    ],
)
def test_a_command_ends_naming_the_variable(variable: str, command: tuple[str, ...]) -> None:
    ended = operator.album({variable: "soon"}, *command)

    assert ended.exit_code == os.EX_USAGE
    assert ended.stderr.startswith(f"album: {variable}: ")


def test_every_variable_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALBUM_LOG_LEVEL", "loud")
    monkeypatch.setenv("ALBUM_EVENT_RETENTION_DAYS", "0")

    with pytest.raises(WrongSetting, match=r"ALBUM_EVENT_RETENTION_DAYS: .*; ALBUM_LOG_LEVEL: Input should be 'debug'"):
        SharedSettings()


@pytest.mark.parametrize(
    ("variable", "value", "settings", "said"),
    [
        ("ALBUM_EVENT_RETENTION_DAYS", "3000000", SharedSettings, "Input should be at most a hundred years"),
        ("ALBUM_EVENT_RETENTION_DAYS", "inf", SharedSettings, "Input should be at most a hundred years"),
        ("ALBUM_SESSION_DAYS", "3000000", ApiSettings, "Input should be at most a hundred years"),
        ("ALBUM_CHECK_AFTER_SECONDS", "1e10", ApiSettings, "Input should be at most a hundred years"),
        ("ALBUM_FSCK_INTERVAL_HOURS", "inf", ApiSettings, "Input should be at most a hundred years"),
        ("ALBUM_NOTIFIER_RETENTION_DAYS", "3000000", NotifierSettings, "Input should be at most a hundred years"),
        ("ALBUM_RECONCILE_SECONDS", "16", ApiSettings, "Input should be less than or equal to 5"),
        ("ALBUM_PORT", "70000", SharedSettings, "Input should be less than or equal to 65535"),
        ("ALBUM_DATABASE", "my album", SharedSettings, "String should match pattern"),
        ("ALBUM_DATABASE", "Admin", SharedSettings, "admin, config and local are MongoDB's own"),
        ("ALBUM_TRUSTED_PROXIES", "999", ApiSettings, "give addresses or networks by commas"),
        ("ALBUM_TRUSTED_PROXIES", "localhost", ApiSettings, "give addresses or networks by commas"),
        ("ALBUM_TRUSTED_PROXIES", "10.0.0.1/8", ApiSettings, "give addresses or networks by commas"),
        ("ALBUM_TRUSTED_PROXIES", "*, 10.0.0.1", ApiSettings, "give addresses or networks by commas"),
        ("ALBUM_CORS_ORIGINS", "foo", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "gallery.example", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "localhost:8080", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "https://", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "https://a.example/app", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "https://a.example?b", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "https://anna@a.example", ApiSettings, "give origins by commas"),
        ("ALBUM_CORS_ORIGINS", "https://a.example,https://*.b.example", ApiSettings, "give origins by commas"),
        ("ALBUM_ROOT_PATH", "noslash", ApiSettings, "give a path such as /photos"),
        ("ALBUM_ROOT_PATH", "https://a.example/photos", ApiSettings, "give a path such as /photos"),
        ("ALBUM_ROOT_PATH", "/photos//old", ApiSettings, "give a path such as /photos"),
        ("ALBUM_ROOT_PATH", "/f\u00fcr", ApiSettings, "give a path such as /photos"),
        ("ALBUM_MAX_BYTES", "-1", LimitSettings, "Input should be greater than 0"),
        ("ALBUM_DECODER_MEMORY_BYTES", "134217728", DecoderSettings, "Input should be greater than or equal to 2684"),
        ("ALBUM_THUMBNAILER_MEMORY_BYTES", "134217728", ThumbnailerSettings, "Input should be greater than or equal"),
    ],
)
def test_what_no_server_could_do_is_told_before_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, settings: type[Settings], said: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(WrongSetting, match=f"^{variable}: {said}"):
        settings()


def test_what_a_wrong_variable_says_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALBUM_TRACING", "hunter2")

    with pytest.raises(WrongSetting) as told:
        SharedSettings()

    assert "hunter2" not in str(told.value)
    assert told.value.__suppress_context__


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("ALBUM_MONGO_URL", "mongo://anna:hunter2@db/?replicaSet=rs0"),
        ("ALBUM_MONGO_URL", "mongodb://anna:hunt/er2@db/?replicaSet=rs0"),
        ("ALBUM_AMQP_URL", "amqp//anna:hunter2@broker"),
        ("ALBUM_AMQP_URL", "mongodb://anna:hunter2@db"),
    ],
)
def test_a_url_that_is_none_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.setenv(variable, url)

    with pytest.raises(WrongSetting, match=f"^{variable}: .*URL") as told:
        SharedSettings()

    assert "anna" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://db",
        "mongodb://a:27017,b:27018,[::1]:27019/?replicaSet=rs0",
        "mongodb+srv://anna:hunter%2F2@album.example/album?retryWrites=true",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock",
    ],
)
def test_every_form_of_url_that_the_driver_knows_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALBUM_MONGO_URL", url)

    assert SharedSettings().mongo_url.get_secret_value() == url


def test_an_empty_url_is_none_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALBUM_MONGO_URL", "ALBUM_AMQP_URL", "ALBUM_PUBLIC_URL"):
        monkeypatch.setenv(name, "")

    assert SharedSettings().mongo_url.get_secret_value().startswith("mongodb://127.0.0.1")
    assert SharedSettings().public_url is None


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALBUM_DECODER_QUALITY", "ALBUM_MAX_WIDTH", "ALBUM_PORT", "ALBUM_DATA"):
        monkeypatch.setenv(name, "")

    assert (DecoderSettings().quality, DecoderSettings().limits.max_width) == (90, 1920)
    assert (UpSettings().port, UpSettings().data) == (8000, PROJECT / ".data")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("https://bar.example/", ["https://bar.example"]),
        ("https://Bar.Example:443, http://b.example:8080/", ["https://bar.example", "http://b.example:8080"]),
        ("https://b\u00fccher.example", ["https://xn--bcher-kva.example"]),
        ("http://[::1]:80,http://127.0.0.1:3000", ["http://[::1]", "http://127.0.0.1:3000"]),
        ("capacitor://localhost", ["capacitor://localhost"]),
        ("null", ["null"]),
        ("*", ["*"]),
    ],
)
def test_an_origin_is_compared_as_a_browser_writes_it(
    monkeypatch: pytest.MonkeyPatch, given: str, named: list[str]
) -> None:
    monkeypatch.setenv("ALBUM_CORS_ORIGINS", given)

    assert ApiSettings().named_origins == named


@pytest.mark.parametrize(
    ("given", "believed"),
    [("10.0.0.0/8, ::1,", "10.0.0.0/8,::1"), (" * ", "*"), ("192.0.2.1\n192.0.2.2", "192.0.2.1,192.0.2.2")],
)
def test_every_list_of_proxies_is_one_that_uvicorn_can_read(
    monkeypatch: pytest.MonkeyPatch, given: str, believed: str
) -> None:
    monkeypatch.setenv("ALBUM_TRUSTED_PROXIES", given)

    assert ApiSettings().trusted_proxies == believed


@pytest.mark.parametrize(("given", "prefix"), [("/photos/", "/photos"), ("/a/b~c", "/a/b~c"), ("/", "")])
def test_a_prefix_may_end_in_a_slash(monkeypatch: pytest.MonkeyPatch, given: str, prefix: str) -> None:
    monkeypatch.setenv("ALBUM_ROOT_PATH", given)

    assert ApiSettings().root_path == prefix


def test_a_level_may_be_written_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALBUM_LOG_LEVEL", "WARNING")

    assert SharedSettings().log_level == "warning"


@pytest.mark.parametrize("option", ["cafile", "certfile"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "something else"])
def test_a_broker_whose_certificates_cannot_be_read_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str, content: bytes | None
) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("ALBUM_AMQP_URL", f"amqps://a:hunter2@one/,amqps://a:hunter2@two/?{option}={file}")

    with pytest.raises(WrongSetting, match=f"^ALBUM_AMQP_URL: {file}: ") as told:
        SharedSettings()

    assert "hunter2" not in str(told.value)
