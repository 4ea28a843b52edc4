"""As Django writes Arabic, with what it leaves out, and hours as clinics write them.

The marks in the short dates keep day, month and year in their order inside text from the right.
"""

DATE_FORMAT = "j F، Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j F، Y، H:i"
SHORT_DATE_FORMAT = "d\N{RIGHT-TO-LEFT MARK}/m\N{RIGHT-TO-LEFT MARK}/Y"
SHORT_DATETIME_FORMAT = "d\N{RIGHT-TO-LEFT MARK}/m\N{RIGHT-TO-LEFT MARK}/Y، H:i"
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%d/%m/%Y"]
