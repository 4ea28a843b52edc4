"""Shapes of requests and answers of arrival. Rules live in the services."""
