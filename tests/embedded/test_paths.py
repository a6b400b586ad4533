import os
import socket
from pathlib import Path

from embedded.paths import SOCKET_PATH_LIMIT_BYTES, Paths, checkout_paths, scratch_folder, socket_path


def test_two_checkouts_of_one_name_have_data_folders_of_their_own() -> None:
    first = checkout_paths(Path("/a/ragsite"), environ={})
    second = checkout_paths(Path("/b/ragsite"), environ={})
    assert first.data != second.data
    assert first.cache == second.cache


def test_ragsite_data_dir_names_the_data_folder(tmp_path: Path) -> None:
    assert checkout_paths(Path("/a"), environ={"RAGSITE_DATA_DIR": str(tmp_path)}).data == tmp_path


def test_a_purpose_has_its_data_beside_the_usual(tmp_path: Path) -> None:
    paths = checkout_paths(Path("/a"), environ={"RAGSITE_DATA_DIR": str(tmp_path / "x")}, purpose="tests")
    assert paths.data == tmp_path / "x-tests"


def test_content_folders_are_closed_to_others_and_the_way_to_the_node_is_open(tmp_path: Path) -> None:
    paths = Paths(cache=tmp_path / "cache", data=tmp_path / "deep" / "data")
    previous = os.umask(0o077)
    try:
        paths.create()
    finally:
        os.umask(previous)
    assert paths.uploads.stat().st_mode & 0o777 == 0o700
    assert paths.valkey_queue.stat().st_mode & 0o777 == 0o700
    assert paths.data.stat().st_mode & 0o001
    assert paths.data.parent.stat().st_mode & 0o001


def test_a_socket_lies_in_its_folder_when_the_path_is_short() -> None:
    assert socket_path(Path("/data/queue")) == Path("/data/queue/valkey.sock")


def test_a_socket_of_a_long_path_lies_in_a_short_one_that_can_be_bound(tmp_path: Path) -> None:
    path = socket_path(tmp_path / ("long" * 40))
    assert len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    path.unlink()


def test_a_scratch_folder_can_be_entered_by_anyone_and_goes_away() -> None:
    with scratch_folder() as folder:
        assert folder.stat().st_mode & 0o005 == 0o005
        (folder / "file").touch()
    assert not folder.exists()
