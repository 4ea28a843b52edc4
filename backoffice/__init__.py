"""The back office: Django admin over the services of every app. Nothing imports it but `config`."""
