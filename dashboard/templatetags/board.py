"""What the board's and the frame's templates need."""

from django import template

from dashboard import drawing
from dashboard.inbox import pending_count
from dashboard.queue import waiting_count
from dashboard.recall import overdue_count

register = template.Library()
register.simple_tag(drawing.drawn)
register.simple_tag(drawing.drawn_rows)
register.simple_tag(overdue_count)
register.simple_tag(pending_count)
register.simple_tag(waiting_count)
