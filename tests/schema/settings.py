"""The product's settings, but for the cost of a wrong password: what is looked at is the answer."""

from config.settings import *  # noqa: F403 - all of them, and one changed

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
