"""How each kind of process model is carried out; nothing in here sees the database."""
