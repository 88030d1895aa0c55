"""An app that stands for a later version: its migrations change tables that the present one uses."""
