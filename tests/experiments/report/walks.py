"""Made-up runs of random walks on two graphs, and how far they lead over the exact methods."""

from experiments.report import catalog, load, verdicts
from tests.experiments.report import made_up

GRAPHS = {"random_walk": 0.2, "random_walk/graph-1": 0.4}
TAKES = "relabelled returns, one step"


def references():
    # The best line is another one on each graph.
    for graph, best in GRAPHS.items():
        for number, method in enumerate(verdicts.EXACT):
            value = best if number == (graph != "random_walk") else 0.1
            yield made_up.row(
                "random_walk", f"{graph}/nosuffix-1000", method, optimal_share_sampled=value
            )


def runs(method, middle, variant="", count=5, graphs=GRAPHS):
    found = []
    for graph in graphs:
        # The sampled score of made-up runs is half of the greedy one.
        values = made_up.spread(2 * (middle + GRAPHS[graph]), count=count)
        dataset = f"{graph}/nosuffix-1000"
        found += made_up.runs(
            "random_walk", dataset, method, values, "optimal_share", variant=variant
        )
    return found


def leads(folder, *rows):
    made_up.write(folder, "random_walk", [*references(), *(row for own in rows for row in own)])
    study = catalog.RANDOM_WALK.read(folder)
    return verdicts.leads(study)


def of_all(middle, **more):
    return [row for mixer in load.MIXERS for row in runs(mixer, middle, **more)]
