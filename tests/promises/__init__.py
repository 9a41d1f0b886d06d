"""What users rely on, run through the real parts."""
