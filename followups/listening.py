"""What continuing care does when a visit moves or time becomes free."""
