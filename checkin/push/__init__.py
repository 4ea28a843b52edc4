"""Telling a patient's device something, through whichever push service it belongs to."""
