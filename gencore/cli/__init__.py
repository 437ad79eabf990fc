"""The command line: words become a config, the config becomes calls. Imports everything below, torch only
when a command needs it.
"""
