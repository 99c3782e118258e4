"""The notifier's card."""

from libs.shared.subscriber import Subscriber
from services.notifier.deliverer import delivering
from services.notifier.handler import make_due
from services.notifier.settings import NotifierSettings

subscriber = Subscriber(name="notifier", settings=NotifierSettings, open=delivering, handle=make_due)
