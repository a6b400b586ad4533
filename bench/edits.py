"""A copy of the sample that is edited: the edits that harm an expectation, and a hundred that should not."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

Edit = Callable[[], None]
UNRELATED = 100
_TEXTS = (".md", ".txt")
_REMARKS = (
    "The photograph of the summer party of {0} hangs in the corridor.",
    "A kingfisher was seen beside the pond on the {0}th of May.",
    "The chess club lost its match number {0} and wants revenge.",
    "Choir practice number {0} was cheerful and rather loud.",
    "Somebody left an umbrella with {0} ribs at the gate.",
)


@dataclass
class EditedSample:
    """The sample's documents and their sidecar in a folder of their own."""

    folder: Path

    @classmethod
    def copied(cls, sample: Path, folder: Path) -> "EditedSample":
        shutil.copytree(sample / "documents", folder / "documents")
        shutil.copy(sample / "metadata.json", folder / "metadata.json")
        return cls(folder)

    @property
    def config(self) -> dict[str, Any]:
        """Of a folder source."""
        return {"path": str(self.folder / "documents"), "metadata_file": "../metadata.json"}

    def file(self, path: str) -> Path:
        return self.folder / "documents" / path

    def harm(self, edit: dict[str, Any]) -> Edit:
        """Do an edit of `sample/expectations.json`; what undoes it."""
        file = self.file(edit["document"])
        if "fields" in edit:
            return self._set_fields(edit["document"], edit["fields"])
        before = file.read_bytes() if file.exists() else None
        if "replace" in edit:
            old, new = edit["replace"]
            file.write_text(file.read_text().replace(old, new))
        elif "write" in edit:
            file.write_text(edit["write"])
        else:
            file.unlink()
        return file.unlink if before is None else partial(_restore, file, before)

    def _set_fields(self, path: str, fields: dict[str, Any]) -> Edit:
        sidecar = self.folder / "metadata.json"
        before = sidecar.read_bytes()
        said = json.loads(before)
        said[path] |= fields
        sidecar.write_text(json.dumps(said))
        return partial(_restore, sidecar, before)

    def unrelated(self) -> Iterator[Edit]:
        """A hundred edits that no expectation is about: remarks added, among them to documents that are expected
        somewhere, notes written and removed again, metadata changed, files renamed."""
        texts = sorted(file for file in (self.folder / "documents").rglob("*") if file.suffix in _TEXTS)
        for number in range(UNRELATED):
            remark = _REMARKS[number % len(_REMARKS)].format(number)
            file = texts[number * 7 % len(texts)]
            match number % 10:
                case 0 | 1 | 2 | 3 | 4:
                    yield partial(_append, file, remark)
                case 5 | 6:
                    yield partial(_write, self._note(number), remark)
                case 7:
                    yield self._note(number - 2).unlink
                case 8:
                    yield partial(self._tag, file.relative_to(self.folder / "documents").as_posix(), number)
                case _:
                    yield partial(_rename, self._note(number - 3))

    def _note(self, number: int) -> Path:
        return self.file(f"notes/note-{number}.txt")

    def _tag(self, path: str, number: int) -> None:
        said = json.loads((self.folder / "metadata.json").read_text())
        self._set_fields(path, {"metadata": said[path].get("metadata", {}) | {"shelf": f"shelf {number}"}})


def _append(file: Path, remark: str) -> None:
    file.write_text(f"{file.read_text().rstrip()}\n\n{remark}\n")


def _write(note: Path, remark: str) -> None:
    note.parent.mkdir(exist_ok=True)
    note.write_text(f"{remark} Nothing else is known of it.")


def _rename(note: Path) -> None:
    note.rename(note.with_stem(f"{note.stem}-old"))


def _restore(file: Path, before: bytes) -> None:
    file.write_bytes(before)
