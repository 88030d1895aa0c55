"""PostgreSQL for requests that wait for an answer: Django's backend, and an end to the waiting."""
