"""Files in and out of a clinic: CSV and XLSX, checked before anything is written."""
