"""How dates and times are written in English: sortable, to the second, with their zone."""
