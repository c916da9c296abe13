"""What customers report and what becomes of it: cases with a day by which somebody answers."""
