"""Recorded episodes: trajectories, returns-to-go, windows, file formats."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.data import actions as actions
    from jax_s4rl.data import atomic_files as atomic_files
    from jax_s4rl.data import d4rl as d4rl
    from jax_s4rl.data import discretizer as discretizer
    from jax_s4rl.data import episode_recorder as episode_recorder
    from jax_s4rl.data import hdf5 as hdf5
    from jax_s4rl.data import histories as histories
    from jax_s4rl.data import learnable as learnable
    from jax_s4rl.data import minari_datasets as minari_datasets
    from jax_s4rl.data import observations as observations
    from jax_s4rl.data import one_hot as one_hot
    from jax_s4rl.data import player as player
    from jax_s4rl.data import regimes as regimes
    from jax_s4rl.data import returns as returns
    from jax_s4rl.data import sampling as sampling
    from jax_s4rl.data import selection as selection
    from jax_s4rl.data import side_by_side as side_by_side
    from jax_s4rl.data import spaces as spaces
    from jax_s4rl.data import storage as storage
    from jax_s4rl.data import streaming as streaming
    from jax_s4rl.data import trajectories as trajectories
    from jax_s4rl.data import transition_rows as transition_rows
    from jax_s4rl.data import transitions as transitions
    from jax_s4rl.data import untrusted as untrusted
    from jax_s4rl.data import value_transport as value_transport
    from jax_s4rl.data import windows as windows

__getattr__, __dir__ = _lazy.attach(__name__)
