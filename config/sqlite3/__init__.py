"""SQLite for many writers: Django's backend, with waiting that leaves nobody behind."""
