"""What is drawn for arrival: QR codes, and the posters that carry them."""
