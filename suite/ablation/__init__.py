"""PFML with one of its values varied at a time, around what tuning found."""
