"""Sampled stacks are summed up by the part whose code is innermost."""

from bench.profiles import OTHER, part_of, shares


def test_the_innermost_known_frame_decides() -> None:
    stack = ["post (search/api.py:3)", "search (opensearchpy/client/__init__.py:9)", "recv (socket.py:7)"]
    assert part_of(stack) == "OpenSearch client"
    assert part_of(["post (search/api.py:3)", "loads (json/__init__.py:1)"]) == "search"
    assert part_of(["<module> (runpy.py:1)"]) == OTHER


def test_a_longer_path_is_a_part_of_its_own() -> None:
    assert part_of(["rows (search/prepared.py:45)"]) == "database"
    assert part_of(["run (search/embeddings/onnx.py:45)"]) == "embedding"


def test_shares_count_samples_of_the_stacks_that_were_meant() -> None:
    lines = [
        "timed (run.py:1);post (search/api.py:3) 3\n",
        "timed (run.py:1);get (redis/client.py:3) 1\n",
        "start (run.py:1);get (redis/client.py:3) 9\n",
        "timed (run.py:1);_worker (concurrent/futures/thread.py:81) 99\n",
    ]
    assert shares(lines, within="timed") == {"search": 0.75, "Redis client": 0.25}
