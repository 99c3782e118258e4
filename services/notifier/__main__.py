"""Run the notifier: ``python -m services.notifier``."""

from libs.shared.runtime import run_subscriber
from services.notifier.stage import subscriber

if __name__ == "__main__":
    run_subscriber(subscriber)
