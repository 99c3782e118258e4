"""Run the audit: ``python -m services.audit``."""

from libs.shared.runtime import run_subscriber
from services.audit.stage import subscriber

if __name__ == "__main__":
    run_subscriber(subscriber)
