"""Times and memory as SLURM writes them."""

import re

_TIME = re.compile(
    r"(?:(?P<days>\d+)-(?P<hours>\d+)(?::(?P<minutes>\d+))?(?::(?P<seconds>\d+))?|(?P<rest>\d+(?::\d+){0,2}))"
)
_MEMORY = re.compile(r"(\d+)([KMGT]?)B?", re.IGNORECASE)
_MEBIBYTES = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}
NO_LIMIT = {"INFINITE", "UNLIMITED", "-1", "NONE", "N/A", "(NULL)", ""}


def seconds(text: str) -> int | None:
    """A time as seconds: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]; None for no
    limit.

    Raises ValueError for anything else."""
    text = text.strip()
    if text.upper() in NO_LIMIT:
        return None
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no time that SLURM reads")
    if found["rest"] is None:
        days, hours, minutes, rest = (int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    parts = [int(part) for part in found["rest"].split(":")]
    hours, minutes, rest = parts if len(parts) == 3 else (0, *parts, *[0] * (2 - len(parts)))
    return (hours * 60 + minutes) * 60 + rest


def clock(amount: int) -> str:
    """Seconds as SLURM writes them: 1-00:30:00, 00:30:00."""
    minutes, rest = divmod(amount, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (f"{days}-" if days else "") + f"{hours:02}:{minutes:02}:{rest:02}"


def mebibytes(text: str) -> int:
    """Memory as MiB, which is its unit where none is given. Raises ValueError for what SLURM does not read."""
    found = _MEMORY.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no amount of memory that SLURM reads")
    return int(int(found[1]) * _MEBIBYTES[found[2].upper()])
