"""Continuous uploads of mixed formats, as a client would send them that has read the contract."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack

CLIENT_SECONDS = 20.0
PATIENCE_SECONDS = 0.3
MAX_BACKLOG = 60
"""Clients pause while so many images wait, so that a long outage does not become a long settling."""


def mixed_pictures() -> list[bytes]:
    """A dozen different files of all formats, sizes and orientations."""
    return [
        picture("JPEG", 1920, 1080, quality=85),
        picture("JPEG", 800, 600, orientation=6),
        picture("JPEG", 320, 200, mode="CMYK"),
        picture("PNG", 640, 400),
        picture("PNG", 300, 300, mode="RGBA"),
        picture("PNG", 64, 48, mode="P"),
        picture("WEBP", 1280, 720),
        picture("WEBP", 900, 600, mode="RGBA"),
        picture("HEIF", 320, 240),
        picture("HEIF", 400, 300, orientation=6),
        picture("AVIF", 640, 360),
        picture("AVIF", 256, 256, mode="RGBA"),
    ]


@dataclass
class Load:
    """Clients that upload until they are stopped.

    Attributes:
        accepted: by image id, which of the pictures it is: everything that was answered with 202.
        troubles: what else was answered, or how a request failed, and how often.
        is_crowded: whether the clients should pause.
    """

    stack: Stack
    pictures: Sequence[bytes]
    album_id: str
    seed: int
    accepted: dict[str, int] = field(default_factory=dict)
    troubles: Counter[str] = field(default_factory=Counter)
    is_crowded: bool = False

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, clients: int) -> None:
        """Let so many clients upload at the same time."""
        for number in range(clients):
            self._threads.append(threading.Thread(target=self._upload_on, args=(number,), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Let every client finish what it is at."""
        self._stopped.set()

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _upload_on(self, number: int) -> None:
        choose = random.Random(f"{self.seed}-{number}")
        clients = [self.stack.client(url) for url in self.stack.urls]
        for client in clients:
            client.http.timeout = httpx.Timeout(CLIENT_SECONDS)
        while not self._stopped.is_set():
            if self.is_crowded:
                self._stopped.wait(PATIENCE_SECONDS)
                continue
            index = choose.randrange(len(self.pictures))
            image_id = self._upload(clients, choose, index)
            self.accepted[image_id] = index
        for client in clients:
            client.http.close()

    def _upload(self, clients: Sequence[AlbumClient], choose: random.Random, index: int) -> str:
        """Upload one picture, again under the same key until some API has answered with a 202; its image id."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        while True:
            try:
                answer = choose.choice(clients).upload(self.album_id, self.pictures[index], headers=key)
            except httpx.TransportError as error:
                self.troubles[type(error).__name__] += 1
            else:
                if answer.status_code == 202:
                    return str(answer.json()["image_id"])
                self.troubles[f"{answer.status_code} {answer.json().get('code')}"] += 1
            threading.Event().wait(PATIENCE_SECONDS)
