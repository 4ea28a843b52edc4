"""How many statements a request may take, once for all: the same at 1, 3 and 30 rows.

Counted as the database sees them, without BEGIN and COMMIT. Authentication is one statement in each
(user, session, rights and scope together), and so is the audit event of a read.
"""

#: Reads of the calendar, by path; what the `expand` adds is one statement a relation.
READS = {
    "appointments": 3,
    "appointments?expand=doctor,patient,location,service,clinic": 8,
    "appointments?status=SCHEDULED,CONFIRMED&date_from=2020-01-01": 3,
    "appointments/my-appointments": 3,
    "appointments/user/{user}/upcoming": 3,
    "schedule-exceptions": 2,
}
ONE_APPOINTMENT = 3
HISTORY = 4
AVAILABILITY = 4
BOOK = 6
RESCHEDULE = 8
MOVE = 4
MERGE_PREVIEW = 6
MERGE = 11
MERGE_UNDO = 11

#: Pages of the back office, the session's own statements included.
BACK_OFFICE_LIST = 11
BACK_OFFICE_PAGE = 11
BACK_OFFICE_START = 14
BACK_OFFICE_WRITE = 14

#: Pages of the desk, the session's own statements included: at 1 to 40 doctors of 1 to 30 visits.
DESK_BOARD = 15
DESK_LIST = 12
DESK_COLUMNS = 13
