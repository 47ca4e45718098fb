"""Names of the optimizer groups: layers assign them to parameters, the optimizer reads them."""

DEFAULT = "default"
STATE_SPACE = "state_space"
