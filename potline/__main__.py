"""`python -m potline`."""

from potline.main import run_app

run_app()
