"""The patients' own pages: a clinic's front door, booking, and what one has booked."""
