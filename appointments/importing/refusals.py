"""Why a row of a file is not imported: a code for programs, words for the person who sent it."""

from enum import StrEnum


class Refusal(StrEnum):
    """The codes of the report. Conflicts carry the booking's own codes (`core.errors`)."""

    RAGGED_LINE = "RAGGED_LINE"
    UNCLOSED_QUOTE = "UNCLOSED_QUOTE"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    BAD_ENCODING = "BAD_ENCODING"
    NUL_BYTE = "NUL_BYTE"
    MISSING_VALUE = "MISSING_VALUE"
    BAD_ROW_ID = "BAD_ROW_ID"
    BAD_PATIENT_ID = "BAD_PATIENT_ID"
    BAD_VALUE = "BAD_VALUE"
    BAD_AGE = "BAD_AGE"
    BAD_DATE = "BAD_DATE"
    TIME_WITHOUT_OFFSET = "TIME_WITHOUT_OFFSET"
    NO_SUCH_LOCAL_TIME = "NO_SUCH_LOCAL_TIME"
    BAD_DURATION = "BAD_DURATION"
    BOOKED_AFTER_VISIT = "BOOKED_AFTER_VISIT"
    NOT_YET = "NOT_YET"
    UNKNOWN_STATUS = "UNKNOWN_STATUS"
    UNKNOWN_DOCTOR = "UNKNOWN_DOCTOR"
    UNKNOWN_SERVICE = "UNKNOWN_SERVICE"
    UNKNOWN_LOCATION = "UNKNOWN_LOCATION"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    RECORD_NUMBER_TAKEN = "RECORD_NUMBER_TAKEN"
    DAY_FULL = "DAY_FULL"


class Refused(Exception):
    """A row is not fit to be imported; `words` say what is wrong with it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = str(code)
        self.words = words


class ImportStopped(Exception):
    """The whole import cannot start, or cannot go on; the message is for a person."""
