"""Thin tasks of continuing care."""
