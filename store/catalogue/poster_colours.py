"""Palettes of the posters, by decade: each is a small set of printing inks that go together."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Palette:
    """The paper, the ink of the lettering (contrast at least 4.5 to 1), and three inks of the picture."""

    ground: str
    ink: str
    first: str
    second: str
    third: str

    @property
    def is_dark(self) -> bool:
        """Whether the paper is dark, so that overprinted inks lighten instead of darkening."""
        return luminance(self.ground) < 0.18


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2)."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _palettes(lines: str) -> tuple[Palette, ...]:
    return tuple(Palette(*(f"#{colour}" for colour in line.split())) for line in lines.strip().splitlines())


_BY_DECADE: Final[dict[int, tuple[Palette, ...]]] = {
    1940: _palettes("""
        1d1b1a efe6d6 b23a2a 8a8072 d9c9a8
        e9dfca 211e1c a8352a 8f887a 3a3733
        24313a e8dfcb c98b3c 59707a a9b3ad
        cfc4ad 1f2224 7d2a24 5d6a6b a8905f
    """),
    1950: _palettes("""
        f1e4c8 1f2a33 d9482b 2f7f86 e8a82e
        1f4e57 f4e6c6 e9a13b d8533a 8fb8a8
        e3b23c 22201e c8402f f3e7cf 2b5f6b
        efdccb 2c2230 d65f4a 4a7f7a e6b45c
    """),
    1960: _palettes("""
        f26b3a 231a1d f7d9b0 b3234a 4a1f3a
        f3d9dc 2a1a2e e2486b f2a33a 5a3b8c
        31406b f6e9d2 f0803c e9c34a 7fa7c9
        f0e6d2 1c2440 e8432e 2f58a8 f2b42f
    """),
    1970: _palettes("""
        5a2a1c f5e2bd e07b2a f0b541 a8461f
        efd9ab 3a1f16 c4561f 8a2f1c e29a2e
        3b4a2f f2e4c0 d98f2b 8fa05a b4481f
        d9772b 2a1610 f6d79a 7a2818 f0a53c
    """),
    1980: _palettes("""
        151335 f4eefc e8338b 3fc6d8 6a3bd1
        e9e4f2 1b1740 e5397f 2fb5c9 f2b632
        0f2b3d f7ead8 f0566b f6a04d 2a8fa6
        2a1036 fbe9f4 ff5d73 f7b538 8a3ffc
    """),
    1990: _palettes("""
        1e2a26 ebe7d8 c2572b 5d7a5e d8c79a
        d9d3c3 222a2c 8c2f2b 3f5f66 b08d4a
        2b2230 eee3d6 b4473f 7a6a86 d6a35c
        c9d1c4 1d2b2a c4552d 2f6a62 d9a441
        3a1f2b f3e4d3 d98a3d a33f4a 6f8f86
        e8d9b8 26262e 3f5a8a c7502f 8a9a5b
    """),
    2000: _palettes("""
        16242e eaf0ec 2fa6a0 d8e86a 5a7f95
        e6ebe9 18222b e0562f 39768c a9bcc0
        7a1f2b f6e6da f08a4b f3c9a5 c2413f
        dfe5d8 1a2a2a 4f8a5b e39a3b 2f5d6b
        f2e9da 23202c c8443c e9a85c 4b5f8c
        22304f f1ead9 e8744f 8fb7c9 f0c75a
        d8dde6 1b2140 d33f49 4a62a8 f0a35a
        2c2a27 f0e8dc d9a25b 6f8a7c c85f3f
    """),
    2010: _palettes("""
        f4ece1 1d2733 ef6a5a 1f6f78 f3b6a0
        0f4c5c f7ede0 f27a5e f7b24a 7fb7a8
        e8705f 20141c f9dcc4 8a2846 f7b267
        232a44 f5ead7 f29f8b 5f7db8 f3cf7a
        e9efe8 16302b 2f7d5c f2a33c d9543f
        f7d9a8 2a1c28 d8503f 3a6b8c f08a4b
        3b1f3f f8e6da f2784b f5b85a 9a5fa8
    """),
    2020: _palettes("""
        e7e1f3 221d3a f0563f 6b5bd0 f2b84b
        14342b f3efe0 e9c46a e76f51 5fae8b
        f6d9c6 2b1b2b d7443e 3d5a9e f0a04b
        1c1f3b f2ecff 8f7bff ff7a59 43c6ac
    """),
}


def palettes_of(year: int | None) -> tuple[Palette, ...]:
    """The palettes of a year's decade; the nearest decade where there is none."""
    decade = (year if year is not None else 2000) // 10 * 10
    return _BY_DECADE[min(max(decade, min(_BY_DECADE)), max(_BY_DECADE))]
