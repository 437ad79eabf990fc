"""The dashboard: shows what the engine wrote to disk, and starts and stops it. It trains nothing itself."""
