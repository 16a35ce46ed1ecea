"""`python -m deploy`: the command line `fairpool`, in the image."""

from deploy.cli import main

if __name__ == "__main__":
    main()
