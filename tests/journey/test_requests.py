"""Requests that make no sense: every one is answered in the one form of refusals, none is a bug."""

from __future__ import annotations

import json
import uuid

import httpx
import pytest

from tests.journey.expect import ABSENT, failed, succeeded
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection
from tests.support.stack import Stack

VALID = {
    "/album/create": {"album_name": "Summer"},
    "/album/get": {"album_id": ABSENT},
    "/album/list": {},
    "/album/images": {"album_id": ABSENT},
    "/album/delete": {"album_id": ABSENT},
    "/album/image/get": {"album_id": ABSENT, "image_id": ABSENT},
    "/album/image/info": {"album_id": ABSENT, "image_id": ABSENT},
    "/album/image/delete": {"album_id": ABSENT, "image_id": ABSENT},
    "/album/thumbnail/get": {"thumbnail_id": ABSENT + ABSENT},
    "/job/get": {"job_id": ABSENT + "job"},
    "/job/retry": {"job_id": ABSENT + "job"},
}
JSON = {"content-type": "application/json"}
UNKNOWN = {
    "/album/get": "album-not-found",
    "/album/images": "album-not-found",
    "/album/delete": "album-not-found",
    "/album/image/get": "album-not-found",
    "/album/image/info": "album-not-found",
    "/album/image/delete": "album-not-found",
    "/album/thumbnail/get": "thumbnail-not-found",
    "/job/get": "job-not-found",
    "/job/retry": "job-not-found",
}
IDS = [
    (path, name)
    for path, body in {**VALID, "/album/create": {"album_name": "Summer", "album_id": ABSENT}}.items()
    for name in body
    if name.endswith("_id")
]
NOT_IDS = {
    "nothing": "",
    "a word": "summer",
    "no hyphens": uuid.UUID(ABSENT).hex,
    "braces": "{" + ABSENT + "}",
    "urn": f"urn:uuid:{ABSENT}",
    "space": f" {ABSENT}",
    "line end": ABSENT + "\n",
    "one short": ABSENT[:-1],
    "one long": ABSENT + "0",
    "not hexadecimal": ABSENT.replace("8", "g"),
    "other digits": ABSENT.replace("8", "\u0668"),
    "null bytes": "\0" * 36,
    "very long": "0" * 20_000,
    "a number": 5,
    "a list": [ABSENT],
    "an object": {"$ne": None},
    "a boolean": True,
}


@pytest.mark.parametrize(("path", "code"), UNKNOWN.items())
def test_unknown_ids_are_not_found(album: AlbumClient, path: str, code: str) -> None:
    failed(album.post(path, **VALID[path]), 404, code)


@pytest.mark.parametrize("path", ["/album/image/get", "/album/image/info", "/album/image/delete"])
def test_an_unknown_image_of_an_album_is_not_found(album: AlbumClient, path: str) -> None:
    failed(album.post(path, album_id=album.create(), image_id=ABSENT), 404, "image-not-found")


@pytest.mark.parametrize("path", ["/album/image/get", "/album/image/info", "/album/image/delete"])
def test_an_image_of_another_album_is_not_found(album: AlbumClient, path: str) -> None:
    image_id = album.upload(album.create(), picture("PNG", 8, 8)).json()["image_id"]

    failed(album.post(path, album_id=album.create(), image_id=image_id), 404, "image-not-found")


@pytest.mark.parametrize("not_id", NOT_IDS.values(), ids=NOT_IDS.keys())
def test_what_is_no_id_is_refused(album: AlbumClient, not_id: object) -> None:
    for path, name in IDS:
        suffix = {"job_id": "job", "thumbnail_id": ABSENT}.get(name, "")
        body = {**VALID[path], name: not_id + suffix if isinstance(not_id, str) else not_id}

        failed(album.post(path, **body), 422, "invalid-request")


@pytest.mark.parametrize("job_id", [ABSENT, ABSENT + "Job", ABSENT + "jobs", "job", f"job{ABSENT}"])
def test_a_job_id_is_an_image_id_and_job(album: AlbumClient, job_id: str) -> None:
    failed(album.post("/job/get", job_id=job_id), 422, "invalid-request")


@pytest.mark.parametrize("seconds", ["-1", "30.5", "1e400", "NaN", "Infinity", "-Infinity", '"5"', "true", "[]", "{}"])
def test_wait_seconds_are_a_number_from_0_to_30(album: AlbumClient, seconds: str) -> None:
    for path in ("/album/image/get", "/album/thumbnail/get", "/job/get"):
        body = json.dumps(VALID[path])[:-1] + f', "wait_seconds": {seconds}}}'

        failed(album.http.post(path, content=body, headers=JSON), 422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/album/image/get", "variant", "thumbnail"),
        ("/album/image/get", "variant", 5),
        ("/album/images", "order", "random"),
        ("/album/images", "order", ["oldest"]),
        ("/album/images", "after", 5),
        ("/album/list", "after", ["x"]),
    ],
)
def test_a_choice_that_is_not_offered_is_refused(album: AlbumClient, path: str, field: str, value: object) -> None:
    failed(album.post(path, **{**VALID[path], field: value}), 422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("/album/create", ["album_id"]),
        ("/album/get", ["limit", "after"]),
        ("/album/list", ["limit", "after"]),
        ("/album/images", ["limit", "after", "order"]),
        ("/album/image/get", ["variant", "wait_seconds"]),
        ("/album/thumbnail/get", ["wait_seconds"]),
        ("/job/get", ["wait_seconds"]),
        ("/admin/failed", ["limit"]),
        ("/admin/dead-letters", ["limit"]),
    ],
)
def test_null_is_as_good_as_a_field_that_is_left_out(album: AlbumClient, path: str, left_out: list[str]) -> None:
    body = {**VALID, "/admin/failed": {"code": "corrupt-image"}, "/admin/dead-letters": {}}[path]
    expected = album.post(path, **body)

    answer = album.post(path, **body, **dict.fromkeys(left_out))

    assert expected.status_code != 422
    assert (answer.status_code, answer.json().get("code")) == (expected.status_code, expected.json().get("code"))


def test_an_album_has_the_name_that_is_given_beside_a_null(album: AlbumClient) -> None:
    for body in ({"album_name": None, "name": "Summer"}, {"album_name": "Summer", "name": None}):
        snapshot = succeeded(album.post("/album/create", **body), 201, "album_snapshot")["album_snapshot"]

        assert snapshot["name"] == "Summer"


@pytest.mark.parametrize("path", [path for path, body in VALID.items() if body])
def test_null_for_what_must_be_given_is_refused(album: AlbumClient, path: str) -> None:
    for name in VALID[path]:
        refused = failed(album.post(path, **{**VALID[path], name: None}), 422, "invalid-request")

        assert refused["message"] == f"{name}: Field required"


ODD_BODIES = {
    "nothing": b"",
    "text": b"hello",
    "half an object": b'{"album_id": ',
    "a list": b"[]",
    "a text": b'"album"',
    "a number": b"5",
    "null": b"null",
    "two objects": b"{}{}",
    "not utf-8": b'{"album_id": "\xff\xfe"}',
    "utf-16": '{"album_id": "5"}'.encode("utf-16"),
    "nested deeply": b'{"album_id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "a number of many digits": b'{"album_id": ' + b"9" * 20_000 + b"}",
    "a lone surrogate": b'{"album_id": "\\ud800"}',
    "longer than any body": b'{"album_id": "' + b"0" * 200_000 + b'"}',
    "null bytes": bytes(1000),
}
WITH_FIELDS = [path for path, body in VALID.items() if body]


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_a_body_that_does_not_parse_is_refused(album: AlbumClient, body: bytes) -> None:
    for path in WITH_FIELDS:
        failed(album.http.post(path, content=body, headers=JSON), 422, "invalid-request")


def test_a_name_with_a_lone_surrogate_is_refused(album: AlbumClient) -> None:
    body = b'{"album_name": "\\ud800"}'

    failed(album.http.post("/album/create", content=body, headers=JSON), 422, "invalid-request")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", "", ";"])
def test_a_body_of_another_type_is_refused(album: AlbumClient, content_type: str) -> None:
    for path in WITH_FIELDS:
        body = json.dumps(VALID[path]).encode()

        failed(album.http.post(path, content=body, headers={"content-type": content_type}), 422, "invalid-request")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"album_name": "Summer"}', {"content-type": "application/x-www-form-urlencoded"}),
        (b"", JSON),
        (b"[]", JSON),
        (b"{", JSON),
    ],
    ids=["what curl -d declares", "nothing", "a list", "half an object"],
)
def test_who_sends_no_json_object_is_told_to(album: AlbumClient, body: bytes, headers: dict[str, str]) -> None:
    answer = album.http.post("/album/create", content=body, headers=headers)

    message = failed(answer, 422, "invalid-request")["message"]
    assert message == "the body must be a JSON object, sent with Content-Type: application/json"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.album+json"])
def test_json_may_be_declared_with_parameters_or_a_suffix(album: AlbumClient, content_type: str) -> None:
    body = b'{"album_name": "Summer"}'

    assert album.http.post("/album/create", content=body, headers={"content-type": content_type}).status_code == 201


def test_fields_that_are_not_known_are_passed_over(album: AlbumClient) -> None:
    assert album.post("/album/create", album_name="Summer", colour="blue").status_code == 201


def test_a_body_that_is_declared_too_long_is_refused_before_it_comes(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.begin("POST", "/album/list", content_length=1_000_000_000, content_type="application/json")

        answer = raw.answer()

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_an_endless_body_is_not_read_on(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.begin(path="/album/create", content_type="application/json", transfer_encoding="chunked")
        taken = raw.pour(b"100000\r\n%s\r\n" % bytes(0x100000) for _ in range(100))

    assert taken < 30_000_000


@pytest.mark.parametrize("path", [*VALID, "/album/image/upload"])
def test_another_method_is_not_allowed(album: AlbumClient, path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = album.http.request(method, path)

        failed(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/session", "DELETE, GET, HEAD, POST"),
        ("/album/thumbnail/get", "POST"),
        (f"/album/thumbnail/{ABSENT}{ABSENT}", "GET, HEAD"),
        (f"/album/{ABSENT}/image/{ABSENT}", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/docs/assets/swagger-ui.css", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
def test_another_method_is_told_all_that_an_address_takes(album: AlbumClient, path: str, allowed: str) -> None:
    answer = album.http.put(path)

    failed(answer, 405, "method-not-allowed")
    assert sorted(answer.headers["allow"].split(", ")) == allowed.split(", ")


@pytest.mark.parametrize("path", [f"/album/{ABSENT}/image/{ABSENT}", f"/album/thumbnail/{ABSENT}{ABSENT}", "/livez"])
def test_an_address_to_get_takes_no_post(album: AlbumClient, path: str) -> None:
    failed(album.post(path), 405, "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/album", "/album/", "/album/create/", "/album/nothing", "/job", "/%00", "/" + "a" * 5000,
     "/..%2f..%2fetc%2fpasswd", "/../main.py", "/album/thumbnail/", "/%ff%fe", "/index.html/x"],
)  # fmt: skip
def test_there_is_nothing_at_another_address(stack: Stack, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        with RawConnection(stack.url) as raw:
            raw.begin(method, path, content_length=0)
            answer = raw.answer()

        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("album_id", ["summer", "%00", "0" * 3000, f"{ABSENT}%0A"])
def test_an_address_with_an_odd_id_is_refused(album: AlbumClient, album_id: str) -> None:
    failed(album.http.get(f"/album/{album_id}/image/{ABSENT}"), 422, "invalid-request")
    failed(album.http.get(f"/album/{ABSENT}/image/{album_id}"), 422, "invalid-request")
    failed(album.http.get(f"/album/thumbnail/{album_id}"), 422, "invalid-request")


def test_an_unknown_variant_in_an_address_is_refused(album: AlbumClient) -> None:
    answer = album.http.get(f"/album/{ABSENT}/image/{ABSENT}?variant=huge")

    failed(answer, 422, "invalid-request")


def test_unknown_addresses_of_pictures_are_not_found(album: AlbumClient) -> None:
    failed(album.http.get(f"/album/{ABSENT}/image/{ABSENT}"), 404, "album-not-found")
    failed(album.http.get(f"/album/{album.create()}/image/{ABSENT}"), 404, "image-not-found")
    failed(album.http.get(f"/album/thumbnail/{ABSENT}{ABSENT}"), 404, "thumbnail-not-found")


@pytest.mark.parametrize("path", ["/", "/livez", "/nothing", "/album/list", "/docs", f"/album/{ABSENT}/image/{ABSENT}"])
def test_every_answer_carries_the_headers_that_keep_browsers_safe(stack: Stack, path: str) -> None:
    answer = httpx.get(stack.url + path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
