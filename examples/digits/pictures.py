"""Small grey images in a terminal: two rows of pixels in each line of text, as half blocks."""

from __future__ import annotations

_SHADES = " ░▒▓█"
_ASPECT = 2  # columns per pixel: characters are twice as high as wide, and hold two pixels each


def drawn(images, captions: list[str], per_line: int, plain: bool) -> str:
    """Images of equal size side by side, each with a caption under it. `plain`: without colours."""
    lines: list[str] = []
    for start in range(0, len(images), per_line):
        row = images[start:start + per_line]
        blocks = [_plain(image) if plain else _coloured(image) for image in row]
        width = max(row[0].shape[1] * _ASPECT, 16)
        pad = " " * (width - row[0].shape[1] * _ASPECT)
        for parts in zip(*blocks):
            lines.append("  " + "  ".join(part + pad for part in parts))
        lines.append("  " + "  ".join(caption.ljust(width) for caption in captions[start:start + per_line]))
        lines.append("")
    return "\n".join(lines)


def _coloured(image) -> list[str]:
    """▀ in the colour of the upper pixel, on a ground of the lower's; 24 greys of the 256 colours."""
    grey = [[232 + round(float(v) / float(image.max() or 1) * 23) for v in row] for row in image]
    return ["".join(f"\033[38;5;{a};48;5;{b}m{'▀' * _ASPECT}" for a, b in zip(upper, lower)) + "\033[0m"
            for upper, lower in zip(grey[::2], grey[1::2])]


def _plain(image) -> list[str]:
    """One character per pixel and row, for logs."""
    top = float(image.max() or 1)
    return ["".join(_SHADES[round(float(v) / top * (len(_SHADES) - 1))] * _ASPECT for v in row) for row in image]
