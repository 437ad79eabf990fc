"""Pictures of any origin to arrays: `reading.read(path, options)` gives `report.Imported`. Without torch."""
