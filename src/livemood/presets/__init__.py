"""Presets: settings for a kind of work, each a TOML file that you can copy and change."""

from livemood.presets.preset import NAMES, Preset, load_preset, preset_text

__all__ = ["NAMES", "Preset", "load_preset", "preset_text"]
