"""Endpoints of the clinics floor: shape and permission. The rules are in the services."""
