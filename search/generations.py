"""What language models write for us, whole and in pieces, and what it took. Frozen, as in `types`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a generation took, as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StandaloneQuestion:
    """What a question means after the messages before it, and what it took to find that out."""

    text: str
    usage: Usage = Usage()
    milliseconds: float = 0.0
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generator wrote, whole. `is_cut`: it ran into its limit of tokens."""

    text: str
    usage: Usage = Usage()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What a generator wrote next; the last one of a stream may carry the usage and no text."""

    text: str = ""
    usage: Usage | None = None
    is_cut: bool = False

    def followed_by(self, piece: "Piece") -> "Piece":
        """Both as one."""
        return Piece(self.text + piece.text, piece.usage or self.usage, self.is_cut or piece.is_cut)
