"""Run the thumbnailer: ``python -m services.thumbnailer``."""

from libs.shared.runtime import run
from services.thumbnailer.stage import stage

if __name__ == "__main__":
    run(stage)
