"""The choice of a Java among fake homes: a folder with bin/java and a release file."""

from pathlib import Path

import pytest

from embedded.exceptions import JavaMissing
from embedded.java import find_java, inspect_java

WHOLE = "java.base jdk.localedata jdk.incubator.vector"


def make_home(folder: Path, version: str, modules: str = WHOLE) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch()
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def make_runnable_home(folder: Path, banner: str) -> Path:
    """A home without a release file, as some distributions have it."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho '{banner}' >&2\n")
    program.chmod(0o755)
    return folder


def test_an_old_java_on_the_path_gives_way_to_a_newer_one_beside_it(tmp_path: Path) -> None:
    old = make_home(tmp_path / "jvm" / "java-17", "17.0.15")
    new = make_home(tmp_path / "jvm" / "temurin-25", "25.0.3")
    java = find_java({"PATH": str(old / "bin")}, folders=[f"{tmp_path}/jvm/*"])
    assert (java.home, java.version) == (new, 25)


def test_the_newest_tried_version_is_preferred_to_a_newer_untried_one(tmp_path: Path) -> None:
    for version in ("21.0.1", "24", "31.0.1"):
        make_home(tmp_path / version, version)
    assert find_java({}, folders=[f"{tmp_path}/*"]).version == 24


def test_an_untried_newer_version_will_do_alone(tmp_path: Path) -> None:
    make_home(tmp_path / "a", "31.0.1")
    make_home(tmp_path / "b", "27")
    assert find_java({}, folders=[f"{tmp_path}/*"]).version == 27


def test_opensearch_java_home_is_taken_before_all_others(tmp_path: Path) -> None:
    named = make_home(tmp_path / "named", "21.0.2")
    make_home(tmp_path / "jvm" / "25", "25")
    java = find_java({"OPENSEARCH_JAVA_HOME": str(named)}, folders=[f"{tmp_path}/jvm/*"])
    assert java.home == named


def test_an_opensearch_java_home_that_is_too_old_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    named = make_home(tmp_path / "named", "17.0.15")
    make_home(tmp_path / "jvm" / "25", "25")
    with pytest.raises(JavaMissing, match=r"named: version 17.*Install a JDK 21"):
        find_java({"OPENSEARCH_JAVA_HOME": str(named)}, folders=[f"{tmp_path}/jvm/*"])


def test_an_opensearch_java_home_without_java_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JavaMissing, match="no bin/java"):
        find_java({"OPENSEARCH_JAVA_HOME": str(tmp_path)}, folders=[])


def test_java_home_is_found_and_passed_over_when_too_old(tmp_path: Path) -> None:
    good = make_home(tmp_path / "good", "21.0.2")
    old = make_home(tmp_path / "old", "1.8.0_402")
    assert find_java({"JAVA_HOME": str(good)}, folders=[]).home == good
    with pytest.raises(JavaMissing, match=r"old \(version 8\)"):
        find_java({"JAVA_HOME": str(old)}, folders=[])


def test_a_reduced_runtime_is_refused_by_name(tmp_path: Path) -> None:
    make_home(tmp_path / "jre", "21.0.2", modules="java.base jdk.incubator.vector")
    with pytest.raises(JavaMissing, match=r"a reduced runtime without jdk\.localedata"):
        find_java({}, folders=[f"{tmp_path}/*"])


def test_no_java_at_all_says_what_to_install() -> None:
    with pytest.raises(
        JavaMissing, match=r"Found: none\. Install a JDK 21 or newer .* or use a server of your own"
    ):
        find_java({}, folders=[])


@pytest.mark.parametrize(
    ("banner", "version"), [('openjdk version "21.0.4" 2024-07-16', 21), ('java version "1.8.0_402"', 8)]
)
def test_a_home_without_a_release_file_is_asked_for_its_version(
    tmp_path: Path, banner: str, version: int
) -> None:
    java = inspect_java(make_runnable_home(tmp_path / "jdk", banner))
    assert java is not None
    assert java.version == version


def test_a_program_that_is_no_java_is_no_java(tmp_path: Path) -> None:
    assert inspect_java(make_runnable_home(tmp_path / "jdk", "hello")) is None
