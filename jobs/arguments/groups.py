"""Groups of the configuration: folders under conf/ from which one YAML is chosen."""

from pathlib import Path

from common.errors import suggestion
from jobs.arguments.text import for_shell, literal

CONF = Path(__file__).resolve().parents[2] / "conf"


def groups() -> list[str]:
    """Their names."""
    return sorted(folder.name for folder in CONF.iterdir() if folder.name != "schema" and any(folder.rglob("*.yaml")))


def options(group: str) -> list[str]:
    """What a group can be set to."""
    folder = CONF / group
    found = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml") if path.is_file())
    return sorted(str(name) for name in found if name.parts[0] != "language")


def refusal(group: str, value: object) -> str:
    """Why ``value`` is no choice of a group, empty where it is one; for a section with keys given as a value, the keys
    written out."""
    known = options(group)
    if value in known or (value is None and group == "experiment"):
        return ""
    if isinstance(value, dict):
        pairs = " ".join(for_shell(f"{group}.{name}={literal(one)}") for name, one in value.items())
        return f"{group} is chosen by name ({group}={known[0]}); its keys are set one by one: {pairs}"
    if isinstance(value, list) and value:
        value = value[0]
        if value in known:
            return f"{group} takes one choice, and no list; write {group}={value}"
    name = "" if value is None or isinstance(value, list) else str(value)
    bare = name.removesuffix(".yaml").removesuffix(".yml").removeprefix(f"conf/{group}/")
    rooms = [one for one in known if one.split("/")[0] == bare.split("/")[0]] if "/" in bare else []
    near = f"; did you mean '{bare}'?" if bare in known else suggestion(bare, rooms) or suggestion(bare, known)
    return f"{group}={name}: there is no conf/{group}/{bare or '<name>'}.yaml{near}; there are: {', '.join(known)}"
