"""Compositions that show something: land, light, doors, eyes, someone on the stairs."""

from math import cos, pi, sin

from store.catalogue.poster_shapes import Sheet, box, disc, n, path, shape


def strata(sheet: Sheet) -> str:
    """A disc over layers of land or water."""
    first, second, third = sheet.inks
    x, radius = sheet.between(0.3, 0.7) * sheet.width, sheet.between(0.22, 0.34) * sheet.width
    parts = [disc(x, sheet.top + sheet.height * sheet.between(0.34, 0.46), radius, first)]
    layers = sheet.number(3, 5)
    for layer in range(layers):
        y = sheet.top + sheet.height * (0.5 + 0.5 * layer / layers)
        swing, lean = sheet.between(10, 46), sheet.between(-40, 40)
        ink = (second, third, sheet.palette.ink)[layer % 3] if layer < layers - 1 else second
        curve = (
            f"M0 {n(y + lean)}C{n(sheet.width * 0.3)} {n(y - swing)} {n(sheet.width * 0.6)} {n(y + swing)} "
            f"{n(sheet.width)} {n(y - lean)}V{n(sheet.bottom)}H0Z"
        )
        parts.append(path(curve, ink))
    return "".join(parts)


def beam(sheet: Sheet) -> str:
    """A cone of light through the dark, and someone small in it."""
    first, second, third = sheet.inks
    left = sheet.either()
    x = sheet.width * (0.1 if left else 0.9)
    far = sheet.width * (1.05 if left else -0.05)
    spread = sheet.between(0.26, 0.4) * sheet.height
    middle = sheet.top + sheet.height * sheet.between(0.55, 0.72)
    start = sheet.top + sheet.height * 0.12
    parts = [shape([(x, start), (far, middle - spread), (far, middle + spread)], second)]
    parts.append(disc(x, start, sheet.width * 0.09, first))
    figure_x = sheet.width * (0.7 if left else 0.3)
    foot = middle + spread * 0.52
    parts.append(box(figure_x - 11, foot - 128, 22, 128, sheet.palette.ink))
    parts.append(disc(figure_x, foot - 146, 15, sheet.palette.ink))
    parts.append(
        shape(
            [(figure_x - 11, foot), (figure_x + 11, foot), (far, sheet.bottom + 60), (far - 120, sheet.bottom + 60)],
            third,
            sheet.overprint,
        )
    )
    return "".join(parts)


def sunburst(sheet: Sheet) -> str:
    """Rays from a place, and a disc upon it."""
    first, second, third = sheet.inks
    x, y = sheet.width * sheet.between(0.25, 0.75), sheet.top + sheet.height * sheet.between(0.45, 0.9)
    rays = sheet.number(11, 19)
    far, turn = 1300.0, sheet.between(0, pi)
    parts = []
    for ray in range(rays):
        one, other = (turn + 2 * pi * (ray + side) / rays for side in (0.0, 0.5))
        points = [(x, y), (x + cos(one) * far, y + sin(one) * far), (x + cos(other) * far, y + sin(other) * far)]
        parts.append(shape(points, second if ray % 3 else third))
    parts.append(disc(x, y, sheet.width * sheet.between(0.18, 0.27), first))
    return "".join(parts)


def mountains(sheet: Sheet) -> str:
    """Peaks behind one another under a disc."""
    first, second, third = sheet.inks
    parts = [disc(sheet.width * sheet.between(0.2, 0.8), sheet.top + sheet.height * 0.27, sheet.width * 0.14, first)]
    for layer, ink in enumerate((second, third, sheet.palette.ink)):
        peak = sheet.width * sheet.between(0.1, 0.9)
        y = sheet.top + sheet.height * (0.28 + 0.2 * layer + sheet.between(-0.06, 0.06))
        half = sheet.width * sheet.between(0.55, 0.85)
        parts.append(shape([(peak - half, sheet.bottom), (peak, y), (peak + half, sheet.bottom)], ink))
        ridge = peak + half * sheet.between(-0.25, 0.35)
        lit = [(peak, y), (peak + half, sheet.bottom), (ridge, sheet.bottom)]
        parts.append(shape(lit, sheet.palette.ground, 'opacity=".18"'))
    return "".join(parts)


def mesas(sheet: Sheet) -> str:
    """A low sun over steps of rock."""
    first, second, third = sheet.inks
    x = sheet.width * sheet.between(0.25, 0.75)
    horizon = sheet.top + sheet.height * sheet.between(0.52, 0.64)
    radius = sheet.width * sheet.between(0.24, 0.32)
    parts = [disc(x, horizon - radius * 0.35, radius, first)]
    edge = 0.0
    while edge < sheet.width:
        wide, tall = sheet.between(70, 170), sheet.between(30, 150)
        foot = wide * 0.12
        if sheet.chance.random() < 0.68:
            mesa = [
                (edge, horizon),
                (edge + foot, horizon - tall),
                (edge + wide - foot, horizon - tall),
                (edge + wide, horizon),
            ]
            parts.append(shape(mesa, second))
        edge += wide + sheet.between(0, 60)
    parts.append(box(0, horizon, sheet.width, sheet.bottom - horizon, third))
    for line in range(5):
        y = horizon + (sheet.bottom - horizon) * (0.12 + 0.2 * line)
        parts.append(box(0, y, sheet.width, 2 + line * 2.4, second))
    return "".join(parts)


def arches(sheet: Sheet) -> str:
    """Arches inside arches."""
    inks = [*sheet.inks, sheet.palette.ink]
    x = sheet.width * (0.5 if sheet.either() else sheet.between(0.36, 0.64))
    count = sheet.number(4, 6)
    outer = min(sheet.width * 0.46, sheet.height * 0.6)
    rise = sheet.height * 0.9 - outer
    parts = []
    for arch in range(count):
        half = outer * (1 - arch / (count + 0.4))
        spring = sheet.bottom - max(rise, 0) - 4
        left, right, floor = n(x - half), n(x + half), n(sheet.bottom)
        door = f"M{left} {floor}V{n(spring)}A{n(half)} {n(half)} 0 0 1 {right} {n(spring)}V{floor}Z"
        parts.append(path(door, inks[arch % 4] if arch < count - 1 else sheet.palette.ground))
    return "".join(parts)


def eye(sheet: Sheet) -> str:
    """Almonds inside one another, with something round that looks back."""
    inks = [*sheet.inks, sheet.palette.ground]
    x, y = sheet.width / 2, sheet.top + sheet.height / 2
    upright = sheet.either()
    parts = []
    for layer in range(4):
        long, short = sheet.width * (0.47 - layer * 0.085), sheet.height * (0.36 - layer * 0.075)
        almond = f"M{n(-long)} 0Q0 {n(-short * 2)} {n(long)} 0Q0 {n(short * 2)} {n(-long)} 0Z"
        turn = f'transform="translate({n(x)} {n(y)})' + (' rotate(90)"' if upright else '"')
        parts.append(path(almond, inks[layer % 3], turn))
    pupil = min(sheet.width, sheet.height) * 0.1
    parts.append(disc(x, y, pupil * 1.5, sheet.palette.ink))
    parts.append(disc(x, y, pupil * 0.8, sheet.palette.ground))
    parts.append(disc(x, y, pupil * 0.3, sheet.palette.ink))
    return "".join(parts)


def drips(sheet: Sheet) -> str:
    """Bars that hang down, each as far as it likes, before a disc."""
    first, second, third = sheet.inks
    bars = sheet.number(8, 13)
    wide = sheet.width / bars
    parts = [disc(sheet.width * 0.5, sheet.top + sheet.height * 0.56, sheet.width * 0.3, second)]
    for bar in range(bars):
        near = 1 - abs(bar + 0.5 - bars / 2) / (bars / 2)
        long = sheet.height * (0.18 + 0.55 * sheet.chance.random() * (0.4 + 0.6 * near))
        rounded = f'rx="{n(wide / 2)}"'
        parts.append(box(bar * wide, sheet.top - wide, wide + 0.5, long + wide, first if bar % 4 else third, rounded))
    return "".join(parts)


def stairs(sheet: Sheet) -> str:
    """A flight of stairs, and someone on it."""
    first, second, third = sheet.inks
    steps = sheet.number(6, 9)
    rising = sheet.either()
    wide, tall = sheet.width / steps, sheet.height * 0.72 / steps
    parts = [disc(sheet.width * (0.26 if rising else 0.74), sheet.top + sheet.height * 0.3, sheet.width * 0.17, first)]
    outline = []
    for step in range(steps):
        place = step if rising else steps - 1 - step
        y = sheet.bottom - (step + 1) * tall
        outline.append(box(place * wide, y, wide + 0.5, sheet.bottom - y, second))
        outline.append(box(place * wide, y, wide + 0.5, tall * 0.3, third))
    stood = sheet.number(steps // 2, steps - 2)
    x = ((stood if rising else steps - 1 - stood) + 0.5) * wide
    foot = sheet.bottom - (stood + 1) * tall
    person = box(x - 10, foot - 112, 20, 112, sheet.palette.ink) + disc(x, foot - 129, 14, sheet.palette.ink)
    return "".join([*parts, *outline, person])


def balance(sheet: Sheet) -> str:
    """Things that stand on one another and do not fall."""
    first, second, third = sheet.inks
    fills = (first, sheet.palette.ink, second, third)
    y = 0.0
    parts = []
    for place in range(sheet.number(4, 6)):
        lean, wide = sheet.between(-0.35, 0.35), sheet.between(1.5, 3.0)
        fill = fills[place % 4]
        kind = sheet.number(0, 3) if place else 1
        if kind == 0:
            parts.append(disc(lean, y - wide * 0.45, wide * 0.45, fill))
            y -= wide * 0.9
        elif kind == 1:
            tall = sheet.between(0.6, 1.3)
            parts.append(box(lean - wide / 2, y - tall, wide, tall, fill))
            y -= tall
        elif kind == 2:
            half = wide * 0.6
            parts.append(path(f"M{lean - half:.2f} {y:.2f}a{half:.2f} {half:.2f} 0 0 1 {2 * half:.2f} 0Z", fill))
            y -= half
        else:
            half, tall = wide * 0.5, wide * 0.62
            parts.append(shape([(lean - half, y - tall), (lean + half, y - tall), (lean, y)], fill))
            y -= tall
    scale = min(sheet.height * 0.92 / -y, sheet.width * 0.24)
    foot = sheet.bottom - (sheet.height + y * scale) * 0.3 * (sheet.top > 0)
    return f'<g transform="translate({n(sheet.width / 2)} {n(foot)}) scale({scale:.2f})">{"".join(parts)}</g>'
