"""Tests that replay the events of events/ against the deployed function."""

import pytest

from local import ROOT

FILES = sorted(path.name for path in (ROOT / "events").glob("*.json"))


@pytest.fixture
def replay(aws, function):
    """Sends an event with the given changes, and returns the response."""
    return lambda event, **changes: aws.ask(function, {**event, **changes})


@pytest.mark.parametrize("name", FILES)
def test_each_event_is_answered(events, replay, same_world, name):
    event = events(name)
    answer = replay(event)
    assert answer["Status"] in ("SUCCESS", "FAILED") and answer["PhysicalResourceId"]
    assert bool(answer.get("Reason")) == (answer["Status"] == "FAILED")
    replay(event, RequestType="Delete", PhysicalResourceId=answer["PhysicalResourceId"])
    same_world()


def test_the_life_of_a_resource(aws, events, replay, same_world):
    create, replace = events("create.json"), events("replace.json")
    old, new = (event["ResourceProperties"]["RoleName"] for event in (create, replace))

    first = replay(create)
    assert (first["Status"], first["PhysicalResourceId"]) == ("SUCCESS", old), first
    role = aws.role(old)
    again = replay(events("duplicate.json"))
    assert again == first and aws.role(old) == role

    updated = replay(events("update.json"))
    assert (updated["Status"], updated["PhysicalResourceId"]) == ("SUCCESS", old), updated
    assert aws.role(old) not in (None, role)

    replaced = replay(replace)
    assert (replaced["Status"], replaced["PhysicalResourceId"]) == ("SUCCESS", new), replaced
    assert aws.role(old) and aws.role(new)

    for name, gone, left in (("delete-replaced.json", old, new), ("delete.json", new, None)):
        answer = replay(events(name))
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", gone), answer
        assert aws.role(gone) is None and (left is None or aws.role(left))
    same_world()


def test_a_delete_after_a_failed_create_succeeds(events, replay, same_world):
    answer = replay(event := events("delete-after-failed-create.json"))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", event["PhysicalResourceId"])
    same_world()


def test_a_malformed_event_is_answered_with_what_is_wrong(events, replay, same_world):
    answer = replay(events("malformed.json"))
    assert answer["Status"] == "FAILED" and answer["Reason"]
    same_world()
