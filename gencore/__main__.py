"""`python -m gencore` is `gencore`."""

from gencore.cli.main import main

if __name__ == "__main__":
    main()
