"""Many results: scores, comparison over seeds, models over runs, reported figures. No torch."""
