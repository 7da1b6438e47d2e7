"""Figures of a plan for people."""


def gigabytes(count: float) -> str:
    """Bytes for people.

    >>> gigabytes(1_530_000_000), gigabytes(84_000_000)
    ('1.5 GB', '0.08 GB')
    """
    return f"{count / 1e9:.{2 if count < 1e9 else 1}f} GB"
