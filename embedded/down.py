"""`python -m embedded.down`: ends the `make up` of this checkout, wherever it runs."""

import sys
from pathlib import Path

import environ
import psutil

from embedded.paths import Paths, checkout_paths
from embedded.services import RunningState

CHECKOUT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 30.0


def bring_down(paths: Paths, *, timeout_s: float = TIMEOUT_S) -> str:
    """Asks the owner to end and waits for it; what happened, in words. Raises psutil.TimeoutExpired."""
    state = RunningState.read(paths.state_file)
    owner = state.owner.process() if state else None
    if owner is None:
        return "Nothing runs."
    owner.terminate()
    owner.wait(timeout_s)
    return "Stopped; the data is kept."


def main() -> int:
    environ.Env.read_env(CHECKOUT / ".env")
    try:
        print(bring_down(checkout_paths(CHECKOUT)))
    except psutil.TimeoutExpired as late:
        print(
            f"Process {late.pid} does not end; kill -9 {late.pid} takes its children along.", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
