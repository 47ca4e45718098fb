"""Names the extra that installs a missing package."""


def missing(error: ModuleNotFoundError, extra: str, purpose: str) -> ModuleNotFoundError:
    """Makes the error for a feature that was used without its extra.

    Args:
        error: Error of the import.
        extra: Extra in `pyproject.toml` that installs the package.
        purpose: Subject of the message, for instance "drawing a dataset".

    Returns:
        The error to raise, whose message says how to install the extra.

    Example:
        >>> try:
        ...     import no_such_package
        ... except ModuleNotFoundError as error:
        ...     print(missing(error, "plots", "drawing"))
        drawing needs the package no_such_package, which is not installed;
        run: python -m pip install 'jax-s4rl[plots]'
    """
    package = (error.name or "").partition(".")[0]
    return ModuleNotFoundError(
        f"{purpose} needs the package {package}, which is not installed; "
        f"run: python -m pip install 'jax-s4rl[{extra}]'",
        name=error.name,
    )
