"""Figures of arrival and attendance: each report is one statement over its facts."""
