"""Diorama: one photo in, a layered, textured 3D scene out."""

from __future__ import annotations

__version__ = "0.1.0"
