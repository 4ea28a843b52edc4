"""The desk: the pages that reception and clinicians have open all day."""
