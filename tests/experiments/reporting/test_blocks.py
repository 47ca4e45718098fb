"""Links lead to headlines."""

from experiments.reporting import blocks


def test_anchors_are_those_of_code_hosts():
    assert blocks.anchor("One token or three") == "one-token-or-three"
    assert blocks.anchor("Key-to-door: a (long) test") == "key-to-door-a-long-test"
