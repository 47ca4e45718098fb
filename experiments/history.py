"""Commits that result lines name and that the history no longer has.

The work of some sessions was taken up as one commit, and theirs were lost. That the lines are still those of the code
is shown in two ways: settings are told apart by a digest (`cells`), which is the same today, and `reproductions` trains
cells of these lines again.
"""

LOST = frozenset({"0da8d21d9086", "aff99640f601", "28ecbbcc9dfb", "081d680baa63", "48dfa442f9cf", "f1800f7562e8"})
TAKEN_UP_BY = "b38ca2a20f21"
