"""Phone numbers, kept in E.164 form (ITU-T E.164: `+`, country, number; at most 15 digits)."""

import phonenumbers


def normalise_phone(value: str, region: str | None = None) -> str | None:
    """`value` in E.164 form, or None when it is not a possible number.

    `region` is the ISO 3166 country to assume for a number written without one.
    """
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
