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
MERGE = 18
MERGE_UNDO = 19

#: Pages of the back office, the session's own statements included.
BACK_OFFICE_LIST = 11
BACK_OFFICE_PAGE = 11
BACK_OFFICE_START = 14
BACK_OFFICE_WRITE = 14

#: Pages of the desk, the session's own statements included: at 1 to 40 doctors of 1 to 30 visits.
DESK_BOARD = 17
DESK_LIST = 14
DESK_COLUMNS = 13
DESK_QUEUE = 17
DESK_QUEUE_LIST = 14

#: Arrival over the API.
CHECKIN_LIST = 2
CHECKIN_ELIGIBLE = 2
#: With nothing remembered of how long visits take.
QUEUE_READ = 8

#: Chasing follow-ups over the API.
RECALL_LIST = 4
CONTACT_WRITE = 7
CONTACT_LIST = 3
INVITE = 9

#: Follow-up plans; here the scope of the test around the request is counted too, which is two.
FOLLOWUP_LIST = 6
COMPLETE_WITH_FOLLOW_UP = 23
