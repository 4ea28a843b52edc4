"""One module for each page: the clinic, its times, the booking, a visit, one's own visits, offers,
follow-ups, the waitlist."""
