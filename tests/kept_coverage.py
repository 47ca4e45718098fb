"""A pytest plugin: each worker writes its coverage when its tests are over, not when it exits.

With `-n`, pytest waits ten seconds for the exit of a worker and then kills it; JAX can take longer.
"""

import coverage


def pytest_sessionfinish():
    measured = coverage.Coverage.current()
    if measured is not None:
        measured.save()
