"""Plug-ins for other programs. Each module needs the program that it is for."""
