"""Phone numbers as a clinic writes them."""

from accounts.phones import normalise_phone
from core.errors import invalid


def phone_in(country: str, value: str) -> str:
    """`value` in E.164 form; `country` (ISO 3166) is assumed for a number written without one.

    Raises VALIDATION_ERROR for what is not a number; '' stays ''.
    """
    if not value.strip():
        return ""
    number = normalise_phone(value, country.upper() or None)
    if number is None:
        raise invalid(
            "phone", "Not a phone number; write it with its country, such as +14155550123."
        )
    return number
