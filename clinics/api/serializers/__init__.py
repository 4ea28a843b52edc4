"""Shapes of the clinics floor. No rules: the models' validators and the services have those."""
