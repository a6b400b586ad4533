"""The README's figures are those that the commands wrote."""

from bench import figures


def test_the_figures_in_the_readme_are_the_commands_own() -> None:
    assert figures.section() in figures.README.read_text()
