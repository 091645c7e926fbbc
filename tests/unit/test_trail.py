"""The trail of an engine: what counts as one passage, what leaves none, bounds, and what has changed."""

from __future__ import annotations

from millpond.planes.common.trail import Trail

LAKE = "arn:aws:s3:::lake"


def ways(answer: dict) -> list[tuple[str, str, str, int]]:
    return [
        (passage["run"], passage["verb"], passage["resource"], passage["count"])
        for passage in answer["passages"]
    ]


def test_objects_of_all_partitions_are_one_folder_and_what_moves_nothing_leaves_no_trail():
    trail = Trail()
    for day in ("1", "2"):
        trail.add("job", "a", [("s3:PutObject", f"{LAKE}/raw/orders/day={day}/x.parquet")])
    trail.add("job", "b", [("s3:PutObject", f"{LAKE}/raw/orders/_temporary/0/x.parquet")])
    trail.add("job", "a", [("s3:ListBucket", LAKE), ("glue:GetDatabase", "d"), ("sqs:SendMessage", "*")])
    assert ways(trail.after(0)) == [
        ("a", "writes", f"{LAKE}/raw/orders/", 2),
        ("b", "writes", f"{LAKE}/raw/orders/", 1),
    ]


def test_what_changed_comes_once_more_and_all_of_a_new_engine():
    trail = Trail()
    trail.add("job", "a", [("s3:GetObject", f"{LAKE}/in/1"), ("s3:PutObject", f"{LAKE}/out/1")])
    first = trail.after(0)
    trail.add("job", "a", [("s3:GetObject", f"{LAKE}/in/2")])
    again = trail.after(first["next"], first["trail"])
    assert ways(again) == [("a", "reads", f"{LAKE}/in/", 2)]
    assert trail.after(again["next"], first["trail"])["passages"] == []
    assert len(Trail().after(again["next"], first["trail"])["passages"]) == 0
    assert len(trail.after(again["next"], "of another engine")["passages"]) == 2


def test_beyond_the_bound_what_was_not_gone_for_longest_goes():
    trail = Trail(most=2)
    for name in ("a", "b", "a", "c"):
        trail.add("job", "", [("sqs:SendMessage", name)])
    assert [passage["resource"] for passage in trail.after(0)["passages"]] == ["a", "c"]
