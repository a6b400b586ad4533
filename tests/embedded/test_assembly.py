"""Assembly from fake archives: a server whose plugin installer is a shell script."""

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from embedded import assembly
from embedded.assembly import assemble, assembled_home
from embedded.download import Artifact
from embedded.exceptions import AssemblyFailed, DiskShort

INSTALLER = '#!/bin/sh\nmkdir -p plugins && echo "$3" >> plugins/installed\n'
FAILING_INSTALLER = "#!/bin/sh\necho 'plugin is for another version' >&2\nexit 74\n"


def write_server(path: Path, installer: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("opensearch-0.0/bin/opensearch-plugin", installer)
        archive.writestr("opensearch-0.0/lib/server.jar", "classes")


class FakeArchives:
    """Two artifacts in a folder, and a resolver that gives them."""

    def __init__(self, folder: Path, installer: str) -> None:
        folder.mkdir()
        self.folder = folder
        write_server(folder / "opensearch.zip", installer)
        (folder / "knn.zip").write_bytes(b"plugin")

    def artifact(self, name: str) -> Artifact:
        digest = hashlib.sha256((self.folder / f"{name}.zip").read_bytes()).hexdigest()
        return Artifact("org.example", name, "0.0", digest)

    def resolve(self, artifact: Artifact, into: Path) -> Path:
        return self.folder / f"{artifact.name}.zip"


def use(monkeypatch: pytest.MonkeyPatch, archives: FakeArchives) -> None:
    monkeypatch.setattr(assembly, "SERVER", archives.artifact("opensearch"))
    monkeypatch.setattr(assembly, "PLUGINS", (archives.artifact("knn"),))


def build(cache: Path, archives: FakeArchives) -> Path:
    return assemble(
        cache, java_home=Path("/nowhere"), progress=lambda text: None, resolve=archives.resolve
    ).home


def test_the_folder_holds_server_and_plugins_and_everyone_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = FakeArchives(tmp_path / "archives", INSTALLER)
    use(monkeypatch, archives)
    home = build(tmp_path / "cache", archives)
    assert (home / "plugins" / "installed").read_text().strip() == (archives.folder / "knn.zip").as_uri()
    assert all(path.stat().st_mode & stat.S_IROTH for path in (home, *home.rglob("*")))
    assert all(path.stat().st_mode & stat.S_IXOTH for path in (home, *home.rglob("*")) if path.is_dir())


def test_a_failed_assembly_leaves_no_folder_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    bad = FakeArchives(tmp_path / "bad", FAILING_INSTALLER)
    use(monkeypatch, bad)
    with pytest.raises(AssemblyFailed, match="plugin is for another version"):
        build(cache, bad)
    assert not list(cache.glob("opensearch-*"))
    assert not list(cache.glob("building-*"))
    good = FakeArchives(tmp_path / "good", INSTALLER)
    use(monkeypatch, good)
    assert (build(cache, good) / "lib" / "server.jar").exists()


def test_what_a_killed_assembly_left_is_never_taken_and_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "cache" / "building-abc" / "opensearch-0.0"
    left.mkdir(parents=True)
    archives = FakeArchives(tmp_path / "archives", INSTALLER)
    use(monkeypatch, archives)
    assert build(tmp_path / "cache", archives) == assembled_home(tmp_path / "cache")
    assert not left.exists()


def test_a_second_assembly_takes_the_folder_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = FakeArchives(tmp_path / "archives", INSTALLER)
    use(monkeypatch, archives)
    made_at = build(tmp_path / "cache", archives).stat().st_ctime_ns
    assert build(tmp_path / "cache", archives).stat().st_ctime_ns == made_at


def test_other_pins_give_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = assembled_home(tmp_path)
    monkeypatch.setattr(assembly, "PLUGINS", ())
    assert assembled_home(tmp_path) != before


def test_a_short_disk_is_an_error_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = FakeArchives(tmp_path / "archives", INSTALLER)
    use(monkeypatch, archives)
    monkeypatch.setattr(assembly, "NEEDED_BYTES", 10**18)
    with pytest.raises(DiskShort, match="Free some space"):
        build(tmp_path / "cache", archives)
