"""A private nginx in front of an API: the documented ``deploy/nginx/album.conf`` with a certificate of its own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support.waiting import eventually

EXAMPLE = Path(__file__).parents[2] / "deploy/nginx/album.conf"
START_SECONDS = 20.0
AROUND = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/answers;
    fastcgi_temp_path {directory}/unused;
    uwsgi_temp_path {directory}/unused;
    scgi_temp_path {directory}/unused;
    include {directory}/album.conf;
}}
"""


@dataclass(frozen=True)
class Edge:
    """A running nginx: where it answers, with the prefix, and what its clients must trust."""

    url: str
    trust: ssl.SSLContext
    directory: Path

    def client(self) -> httpx.Client:
        """A client that believes the certificate; close it."""
        return httpx.Client(base_url=self.url, verify=self.trust, timeout=60)


def _certify(directory: Path) -> None:
    names = f"subjectAltName=IP:{LOOPBACK}"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=album"]
    files = ["-keyout", str(directory / "album.key"), "-out", str(directory / "album.pem"), "-addext", names]
    subprocess.run([*new, *files], check=True, capture_output=True, timeout=60)


def _example(directory: Path, upstream: str, port: int, prefix: str) -> str:
    """The documented file with other addresses; each of them must be there to be changed."""
    changes = {
        "server 127.0.0.1:8000;": f"server {upstream.removeprefix('http://')};",
        "listen 443 ssl http2;": f"listen {LOOPBACK}:{port} ssl http2;",
        "/etc/ssl/certs/album.pem": str(directory / "album.pem"),
        "/etc/ssl/private/album.key": str(directory / "album.key"),
        "location / {": f"location {prefix}/ {{",
        "proxy_pass http://album;": "proxy_pass http://album/;" if prefix else "proxy_pass http://album;",
    }
    text = EXAMPLE.read_text()
    for documented, actual in changes.items():
        assert text.count(documented) == 1, documented
        text = text.replace(documented, actual)
    return text


@contextmanager
def running_nginx(directory: Path, upstream: str, prefix: str = "") -> Iterator[Edge]:
    """An nginx in front of the API at ``upstream``, below a prefix such as ``/photos``."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert nginx, "there is no nginx: deploy/local/setup.sh tests"
    [port] = free_ports(1)
    _certify(directory)
    (directory / "album.conf").write_text(_example(directory, upstream, port, prefix))
    (directory / "nginx.conf").write_text(AROUND.format(directory=directory))
    command = [nginx, "-p", str(directory), "-c", "nginx.conf"]
    process = Process(command, env=inherited_environment(), log=directory / "nginx.log")
    process.start()
    try:
        edge = Edge(
            f"https://{LOOPBACK}:{port}{prefix}",
            ssl.create_default_context(cafile=str(directory / "album.pem")),
            directory,
        )

        def answers() -> bool:
            assert process.is_running, (directory / "nginx.log").read_text()
            try:
                return httpx.get(f"{edge.url}/livez", verify=edge.trust).status_code == 200
            except httpx.TransportError:
                return False

        eventually(answers, START_SECONDS, "nginx answers")
        yield edge
    finally:
        process.stop()
