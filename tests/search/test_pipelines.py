"""Golden pipelines: how the legs are fused, and how a pipeline is named. Pure."""

from dataclasses import replace

from search.pipelines import FusionSpec, search_pipeline
from search.types import Fusion

SPEC = FusionSpec(Fusion.MIN_MAX, vector_weight=0.4, rank_constant=60, unrelated_cosine=0.1)


def test_a_pipeline_is_named_by_what_it_does() -> None:
    name = search_pipeline(SPEC).name
    same = search_pipeline(replace(SPEC, rank_constant=10)).name  # which min-max does not have
    others = [
        search_pipeline(replace(SPEC, vector_weight=0.5)).name,
        search_pipeline(replace(SPEC, unrelated_cosine=0.2)).name,
        search_pipeline(replace(SPEC, technique=Fusion.RRF)).name,
        search_pipeline(replace(SPEC, technique=Fusion.Z_SCORE)).name,
    ]
    assert same == name
    assert len({name, *others}) == 5


def test_min_max_scales_each_leg_from_unrelated_to_its_best_hit() -> None:
    assert search_pipeline(SPEC).body["phase_results_processors"] == [
        {
            "normalization-processor": {
                "normalization": {
                    "technique": "min_max",
                    "parameters": {
                        "lower_bounds": [
                            {"mode": "apply", "min_score": 0.0},
                            {"mode": "clip", "min_score": 0.55},
                        ]
                    },
                },
                "combination": {"technique": "arithmetic_mean", "parameters": {"weights": [0.6, 0.4]}},
            }
        }
    ]


def test_z_scores_are_combined_by_the_arithmetic_mean() -> None:
    [processor] = search_pipeline(replace(SPEC, technique=Fusion.Z_SCORE)).body["phase_results_processors"]
    assert processor["normalization-processor"] == {
        "normalization": {"technique": "z_score"},
        "combination": {"technique": "arithmetic_mean", "parameters": {"weights": [0.6, 0.4]}},
    }


def test_reciprocal_ranks_are_weighted() -> None:
    [processor] = search_pipeline(replace(SPEC, technique=Fusion.RRF)).body["phase_results_processors"]
    assert processor == {
        "score-ranker-processor": {
            "combination": {"technique": "rrf", "rank_constant": 60, "parameters": {"weights": [0.6, 0.4]}}
        }
    }
