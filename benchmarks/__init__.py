"""Repeatable measurements of Kairos against floors taken in the same run (`make bench`)."""
