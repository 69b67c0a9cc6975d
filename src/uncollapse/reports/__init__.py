"""The page that every report is, and its parts."""
