"""Run the decoder: ``python -m services.decoder``."""

from libs.shared.runtime import run
from services.decoder.stage import stage

if __name__ == "__main__":
    run(stage)
