"""Personal data: what is found and what stands in its place."""

from dataclasses import dataclass, field


@dataclass
class PiiRules:
    """What is replaced in texts of a language."""

    kinds: list[str] = field(default_factory=lambda: ["email", "phone", "iban", "url", "ip", "card"])
    """Kinds to look for; those with a checksum (tckn, pesel, iban, card) must pass it."""
    phone: list[str] = field(default_factory=list)
    """Regular expressions of phone numbers as they are written in the country."""
    address: list[str] = field(default_factory=list)
    """Regular expressions of postal addresses."""
