"""How Kairos is run: `local` on one machine with nothing but Python."""
