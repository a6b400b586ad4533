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
    """What a generator wrote, whole. `is_cut`: it ran into its limit of tokens; `is_fallback`: another model than
    the first one wrote it. `model` is empty where none did."""

    text: str
    usage: Usage = Usage()
    is_cut: bool = False
    model: str = ""
    is_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What a generator wrote next; the last one of a stream may carry the usage and no text."""

    text: str = ""
    usage: Usage | None = None
    is_cut: bool = False
    model: str = ""
    is_fallback: bool = False

    def followed_by(self, piece: "Piece") -> "Piece":
        """Both as one."""
        return Piece(
            self.text + piece.text,
            piece.usage or self.usage,
            self.is_cut or piece.is_cut,
            piece.model or self.model,
            self.is_fallback or piece.is_fallback,
        )

    def generation(self) -> Generation:
        """The pieces of a whole answer, once they are one."""
        return Generation(self.text, self.usage or Usage(), self.is_cut, self.model, self.is_fallback)
