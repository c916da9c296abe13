"""Compositions of shapes alone: discs, slices, tiles, petals, bars."""

from math import cos, pi, sin

from store.catalogue.poster_shapes import Sheet, box, disc, n, path, ring, shape


def crossing_discs(sheet: Sheet) -> str:
    """Two discs that meet, and what they share."""
    first, second, third = sheet.inks
    radius = min(sheet.width * 0.36, sheet.height * 0.42)
    middle, y = sheet.width / 2, sheet.top + sheet.height / 2
    apart = radius * sheet.between(0.45, 0.8)
    angle = sheet.between(-0.9, 0.9)
    x_shift, y_shift = cos(angle) * apart, sin(angle) * apart
    one, other = (middle - x_shift, y - y_shift), (middle + x_shift, y + y_shift)
    rings = "".join(ring(*other, radius * share, third, 5) for share in (0.3, 0.5, 0.7)) if sheet.either() else ""
    return disc(*one, radius, first) + disc(*other, radius, second, sheet.overprint) + rings


def blinds(sheet: Sheet) -> str:
    """A disc seen through slats."""
    first, second, _ = sheet.inks
    slats = sheet.number(7, 11)
    gap = sheet.height / slats
    x, y = sheet.width * sheet.between(0.36, 0.64), sheet.top + sheet.height * sheet.between(0.42, 0.58)
    radius = min(sheet.width, sheet.height) * sheet.between(0.36, 0.44)
    lean = sheet.between(-50, 50)
    parts = [disc(x, y, radius, first), disc(x + radius * 0.5, y - radius * 0.4, radius * 0.28, second)]
    for slat in range(slats + 2):
        at = sheet.top + gap * (slat - 0.5)
        thick = gap * (0.18 + 0.5 * slat / slats)
        points = [(0, at + lean), (sheet.width, at - lean), (sheet.width, at - lean + thick), (0, at + lean + thick)]
        parts.append(shape(points, sheet.palette.ground))
    return "".join(parts)


def sliced_disc(sheet: Sheet) -> str:
    """A disc cut into slices that do not lie where they belong."""
    first, second, third = sheet.inks
    slices = sheet.number(5, 8)
    radius = min(sheet.width * 0.4, sheet.height * 0.44)
    x, y = sheet.width / 2, sheet.top + sheet.height / 2
    high = 2 * radius / slices
    parts = []
    for place in range(slices):
        upper, lower = y - radius + place * high, y - radius + (place + 1) * high - 3
        half_upper, half_lower = (
            (max(radius**2 - (y - edge) ** 2, 0)) ** 0.5 for edge in (max(upper, y - radius), min(lower, y + radius))
        )
        shift = sheet.between(-1, 1) * sheet.width * 0.11
        ink = first if place % 3 != 1 else (second if sheet.either() else third)
        sweep = (
            f"M{n(x - half_upper + shift)} {n(upper)}H{n(x + half_upper + shift)}"
            f"A{n(radius)} {n(radius)} 0 0 1 {n(x + half_lower + shift)} {n(lower)}"
            f"H{n(x - half_lower + shift)}A{n(radius)} {n(radius)} 0 0 1 {n(x - half_upper + shift)} {n(upper)}Z"
        )
        parts.append(path(sweep, ink))
    return "".join(parts)


def tiles(sheet: Sheet) -> str:
    """A floor of quarter and half discs."""
    columns = sheet.number(3, 5)
    side = sheet.width / columns
    rows = int(sheet.height // side) + 1
    inks = [*sheet.inks, sheet.palette.ink]
    parts = []
    for row in range(rows):
        for column in range(columns):
            x, y = column * side, sheet.bottom - (row + 1) * side
            ink, other = sheet.chance.choice(inks), sheet.chance.choice(inks)
            kind = sheet.number(0, 5)
            if kind == 0:
                parts.append(disc(x + side / 2, y + side / 2, side / 2, ink))
                parts.append(disc(x + side / 2, y + side / 2, side / 5, other))
            elif kind <= 3:
                turn = sheet.number(0, 3) * 90
                quarter = path(
                    f"M0 0H{n(side)}A{n(side)} {n(side)} 0 0 1 0 {n(side)}Z",
                    ink,
                    f'transform="translate({n(x + side / 2)} {n(y + side / 2)}) rotate({turn}) '
                    f'translate({n(-side / 2)} {n(-side / 2)})"',
                )
                parts.append(quarter)
            elif kind == 4:
                half = side / 2
                parts.append(path(f"M{n(x)} {n(y + half)}a{n(half)} {n(half)} 0 0 1 {n(side)} 0Z", ink))
                parts.append(path(f"M{n(x)} {n(y + side)}a{n(half)} {n(half)} 0 0 1 {n(side)} 0Z", other))
            else:
                parts.append(box(x, y, side / 2, side, ink))
    return "".join(parts)


def orbits(sheet: Sheet) -> str:
    """Circles around a body, with smaller bodies on them."""
    first, second, third = sheet.inks
    x, y = sheet.width * sheet.between(0.3, 0.7), sheet.top + sheet.height * sheet.between(0.4, 0.6)
    core = sheet.width * sheet.between(0.1, 0.17)
    parts = []
    for orbit in range(1, sheet.number(5, 8)):
        radius = core + orbit * sheet.width * 0.085
        parts.append(ring(x, y, radius, sheet.palette.ink, 1.6))
        if sheet.chance.random() < 0.7:
            angle = sheet.between(0, 2 * pi)
            parts.append(
                disc(
                    x + cos(angle) * radius,
                    y + sin(angle) * radius,
                    sheet.between(6, 24),
                    second if orbit % 2 else third,
                )
            )
    parts.append(disc(x, y, core, first))
    parts.append(
        path(
            f"M{n(x)} {n(y - core)}A{n(core)} {n(core)} 0 0 1 {n(x)} {n(y + core)}"
            f"A{n(core * 1.6)} {n(core * 1.6)} 0 0 0 {n(x)} {n(y - core)}Z",
            sheet.palette.ground,
            'opacity=".35"',
        )
    )
    return "".join(parts)


def halftone(sheet: Sheet) -> str:
    """A field of dots that swells around a place."""
    first, second, _ = sheet.inks
    columns = sheet.number(11, 15)
    step = sheet.width / columns
    x, y = sheet.width * sheet.between(0.3, 0.7), sheet.top + sheet.height * sheet.between(0.35, 0.65)
    far = max(sheet.width, sheet.height) * 0.62
    dots = []
    for row in range(int(sheet.height / step) + 1):
        for column in range(columns):
            at_x, at_y = (column + 0.5) * step, sheet.top + (row + 0.5) * step
            near = 1 - min(((at_x - x) ** 2 + (at_y - y) ** 2) ** 0.5 / far, 1)
            radius = step * (0.06 + 0.46 * near**1.2)
            dots.append(
                f"M{n(at_x - radius)} {n(at_y)}a{n(radius)} {n(radius)} 0 1 0 {n(2 * radius)} 0"
                f"a{n(radius)} {n(radius)} 0 1 0 {n(-2 * radius)} 0"
            )
    back = disc(x, y, far * 0.42, second)
    return back + path("".join(dots), first, sheet.overprint)


def petals(sheet: Sheet) -> str:
    """A flower of leaves that are printed over one another."""
    first, second, third = sheet.inks
    x, y = sheet.width / 2, sheet.top + sheet.height / 2
    count = sheet.number(6, 11)
    long = min(sheet.width * 0.46, sheet.height * 0.5)
    wide = long * sheet.between(0.34, 0.52)
    low, high = n(-long * 0.35), n(-long * 0.85)
    leaf = f"M0 0C{n(wide)} {low} {n(wide * 0.7)} {high} 0 {n(-long)}C{n(-wide * 0.7)} {high} {n(-wide)} {low} 0 0Z"
    turn = sheet.between(0, 360 / count)
    parts = [
        path(
            leaf,
            (first, second)[place % 2],
            f'transform="translate({n(x)} {n(y)}) rotate({n(turn + 360 * place / count)})" {sheet.overprint}',
        )
        for place in range(count)
    ]
    return "".join(parts) + disc(x, y, long * 0.16, third)


def bars(sheet: Sheet) -> str:
    """Round bars that swing around a line, like sound."""
    inks = sheet.inks
    count = sheet.number(9, 15)
    step = sheet.width * 0.9 / count
    middle = sheet.top + sheet.height / 2
    slow, quick, shift = sheet.between(0.6, 1.4), sheet.between(2.2, 4.5), sheet.between(0, 6)
    parts = []
    for bar in range(count):
        swing = abs(sin(bar / count * pi * slow + shift) * 0.6 + sin(bar / count * pi * quick + shift) * 0.5)
        half = sheet.height * (0.07 + 0.4 * min(swing, 1))
        wide = step * 0.62
        parts.append(
            box(
                sheet.width * 0.05 + step * (bar + 0.19),
                middle - half,
                wide,
                2 * half,
                inks[(bar * 2 + int(shift)) % 3],
                f'rx="{n(wide / 2)}"',
            )
        )
    return "".join(parts)


def grooves(sheet: Sheet) -> str:
    """A record, half out of the picture."""
    first, second, third = sheet.inks
    x = sheet.width * (0.08 if sheet.either() else 0.92)
    y = sheet.top + sheet.height * sheet.between(0.4, 0.6)
    radius = sheet.width * 0.78
    parts = [disc(x, y, radius, sheet.palette.ink)]
    parts += [ring(x, y, radius * (0.4 + 0.055 * line), sheet.palette.ground, 1.4) for line in range(11)]
    parts += [disc(x, y, radius * 0.34, first), disc(x, y, radius * 0.2, second), disc(x, y, radius * 0.05, third)]
    return "".join(parts)


def lanes(sheet: Sheet) -> str:
    """The bend of a running track."""
    inks = sheet.inks
    left = sheet.either()
    x, y = (0.0 if left else sheet.width), sheet.bottom + sheet.height * 0.05
    count = sheet.number(6, 9)
    outer = sheet.height * 1.02
    parts = []
    for lane in range(count):
        radius = outer * (1 - lane / (count + 1.5))
        parts.append(disc(x, y, radius, inks[lane % 3]))
        parts.append(ring(x, y, radius, sheet.palette.ground, 4))
    parts.append(disc(x, y, outer * (1 - count / (count + 1.5)), sheet.palette.ground))
    return "".join(parts)


def turning_squares(sheet: Sheet) -> str:
    """Squares that turn as they shrink."""
    inks = [*sheet.inks, sheet.palette.ground]
    x, y = sheet.width / 2, sheet.top + sheet.height / 2
    side = min(sheet.width * 0.92, sheet.height * 0.92)
    turn, step, shrink = sheet.between(0, 45), sheet.between(7, 17), sheet.between(0.78, 0.86)
    parts = []
    for place in range(sheet.number(8, 11)):
        parts.append(
            box(
                -side / 2,
                -side / 2,
                side,
                side,
                inks[place % 4],
                f'transform="translate({n(x)} {n(y)}) rotate({n(turn + place * step)})"',
            )
        )
        side *= shrink
    return "".join(parts)


def threads(sheet: Sheet) -> str:
    """Lines that are drawn from one side to the other and make a curve between them."""
    first, second, third = sheet.inks
    count = sheet.number(24, 34)
    parts = [disc(sheet.width * sheet.between(0.35, 0.65), sheet.top + sheet.height * 0.5, sheet.width * 0.26, first)]
    for ink, side in ((second, 0.0), (third, 1.0)):
        lines = []
        for line in range(count + 1):
            share = line / count
            x = sheet.width * side
            start, end = sheet.top + sheet.height * share, sheet.width * share
            lines.append(f"M{n(x)} {n(start)}L{n(end)} {n(sheet.bottom if not side else sheet.top)}")
        parts.append(f'<path d="{"".join(lines)}" fill="none" stroke="{ink}" stroke-width="2.4"/>')
    return "".join(parts)


def domes(sheet: Sheet) -> str:
    """Rows of half discs that overlap like scales."""
    inks = [*sheet.inks, sheet.palette.ink]
    across = sheet.number(3, 4)
    radius = sheet.width / across / 2
    rows = int(sheet.height / (radius * 0.72)) + 1
    parts = []
    for row in range(rows):
        y = sheet.top + radius + row * radius * 0.72
        shift = radius if row % 2 else 0.0
        for place in range(-1, across + 1):
            x = place * 2 * radius + radius + shift
            ink = sheet.chance.choice(inks)
            parts.append(disc(x, y, radius, ink))
            parts.append(disc(x, y, radius * 0.68, sheet.palette.ground))
            parts.append(disc(x, y, radius * 0.42, ink))
    return "".join(parts)
