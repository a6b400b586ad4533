"""Fetching with a fake resolver that writes into Maven's layout, as jgo does."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded import download
from embedded.download import PLUGINS, SERVER, Artifact, Fetched, fetch
from embedded.exceptions import DownloadFailed

WHOLE = b"a whole archive"
ARTIFACT = Artifact("org.example", "thing", "1.0", hashlib.sha256(WHOLE).hexdigest())


class FakeMaven:
    """Gives each content in turn to who asks for a file that is not there."""

    def __init__(self, *contents: bytes | Exception) -> None:
        self.contents = list(contents)

    def __call__(self, artifact: Artifact, into: Path) -> Path:
        path = (
            into
            / "org"
            / "example"
            / artifact.name
            / artifact.version
            / f"{artifact.name}-{artifact.version}.zip"
        )
        if not path.exists():
            content = self.contents.pop(0)
            if isinstance(content, Exception):
                raise content
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return path


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "RETRY_PAUSE_S", 0.0)


@pytest.fixture
def get(tmp_path: Path) -> Callable[[FakeMaven], Fetched]:
    return lambda maven: fetch(ARTIFACT, into=tmp_path, progress=lambda text: None, resolve=maven)


def test_a_fresh_file_is_counted_and_a_kept_one_is_not(get: Callable[[FakeMaven], Fetched]) -> None:
    maven = FakeMaven(WHOLE)
    assert get(maven).downloaded_bytes == len(WHOLE)
    assert get(maven).downloaded_bytes == 0


def test_a_half_downloaded_file_is_deleted_and_fetched_again(get: Callable[[FakeMaven], Fetched]) -> None:
    fetched = get(FakeMaven(WHOLE[:5], WHOLE))
    assert fetched.path.read_bytes() == WHOLE


def test_a_file_that_is_wrong_twice_is_an_error_and_does_not_stay(
    get: Callable[[FakeMaven], Fetched], tmp_path: Path
) -> None:
    with pytest.raises(DownloadFailed, match=r"its SHA-256 is .* pinned is"):
        get(FakeMaven(b"evil", b"evil again"))
    assert not list(tmp_path.rglob("*.zip"))


def test_a_broken_connection_is_tried_once_more(get: Callable[[FakeMaven], Fetched]) -> None:
    assert get(FakeMaven(ConnectionError("reset"), WHOLE)).path.read_bytes() == WHOLE


def test_no_network_is_an_error_with_the_way_out(get: Callable[[FakeMaven], Fetched]) -> None:
    with pytest.raises(DownloadFailed, match=r"no route.*HTTPS_PROXY.*OPENSEARCH_URL"):
        get(FakeMaven(OSError("no route"), OSError("no route")))


def test_every_artifact_is_pinned_by_its_own_hash() -> None:
    hashes = {artifact.sha256 for artifact in (SERVER, *PLUGINS)}
    assert len(hashes) == 5
    assert all(len(value) == 64 for value in hashes)


def test_a_long_download_says_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(download, "REPORT_EVERY_S", 0.0)
    with download.report_bytes(said.append, "knn.zip", 6_000_000) as add:
        add(2_000_000)
        add(3_000_000)
    assert said == ["knn.zip: 2 of 6 MB", "knn.zip: 5 of 6 MB"]
