"""Personal data: what is found and what stands in its place."""

from dataclasses import dataclass, field


@dataclass
class PiiRules:
    """What is replaced in texts of a language. The order of `kinds` decides between two kinds of one place."""

    kinds: list[str] = field(default_factory=lambda: ["email", "url", "ip", "iban", "card", "phone"])
    """Kinds to look for: email, url, ip, iban, card, phone, address; national numbers tckn and vkn (Turkey), pesel, nip
    and regon (Poland), ssn (United States). Numbers with a checksum must pass it."""
    template: str = "<{kind}>"
    """What stands in the place of a find; {kind} becomes the kind in capitals: <EMAIL>."""
    phone: list[str] = field(default_factory=list)
    """Regular expressions of phone numbers as they are written in the country; a group named `value` is the part that
    goes. Numbers that begin with + and a country code are found in every language. They are searched near runs of nine
    digits or more."""
    address: list[str] = field(default_factory=list)
    """Regular expressions of postal addresses."""
    address_near: list[str] = field(default_factory=list)
    """Cheap regular expressions (beginning with a letter or sign); addresses are searched only within 120 characters of
    their matches."""
    not_before: str = ""
    """Regular expression of what never follows personal data: currencies and units, which make an amount of a phone or
    an address of the network."""
