"""A page that plays in a real browser: frames are counted, not promises."""

from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import BrowserContext, ConsoleMessage, Page

CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

PICTURE = """() => {
    const video = document.querySelector("video");
    const quality = video.getVideoPlaybackQuality();
    return {
        time: video.currentTime, frames: quality.totalVideoFrames, width: video.videoWidth,
        error: video.error && video.error.message,
    };
}"""

WAIT = 20_000
"""Milliseconds; a busy machine is slow, a broken player never comes."""

UNTIL_PICTURE = """([frames, time, patience]) => new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    const began = performance.now();
    const timer = setInterval(() => {
        const shown = video.getVideoPlaybackQuality().totalVideoFrames;
        const isThere = shown >= frames && video.currentTime >= time;
        const isLate = performance.now() - began > patience;
        if (!isThere && !isLate) return;
        clearInterval(timer);
        if (isThere) return resolve(shown);
        const { state, code, fault } = document.getElementById("player").dataset;
        reject(new Error(`${shown} frames at ${video.currentTime} s; ${state} ${code} ${fault}`));
    }, 40);
})"""
"""Waits inside the page; the page's own content policy forbids what the test tool would use."""

UNTIL_WIDTH = """([width, patience]) => new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    const began = performance.now();
    const timer = setInterval(() => {
        const isLate = performance.now() - began > patience;
        if (video.videoWidth !== width && !isLate) return;
        clearInterval(timer);
        if (isLate) reject(new Error(`${video.videoWidth} pixels wide, not ${width}`));
        resolve(width);
    }, 40);
})"""


UNTIL_READ = """(patience) => new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    const began = performance.now();
    const timer = setInterval(() => {
        const read = [...video.textTracks].filter((track) => track.mode === "showing")
            .flatMap((track) => [...(track.activeCues || [])]).map((cue) => cue.text);
        const isLate = performance.now() - began > patience;
        if (read.length === 0 && !isLate) return;
        clearInterval(timer);
        if (read.length === 0) reject(new Error("no subtitles are shown"));
        resolve(read.join(" "));
    }, 40);
})"""
"""Gives the subtitles that stand in the picture, once there are some."""


@dataclass(slots=True)
class Cinema:
    """A page that plays, and what its console complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def in_page_of(cls, context: BrowserContext) -> Self:
        """A new page of a browser, whose console is listened to."""
        cinema = cls(await context.new_page())

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                cinema.complaints.append(message.text)

        cinema.page.on("console", note)
        cinema.page.on("pageerror", lambda error: cinema.complaints.append(str(error)))
        return cinema

    async def picture(self) -> dict[str, Any]:
        seen: dict[str, Any] = await self.page.evaluate(PICTURE)
        return seen

    async def frames_advance(self) -> dict[str, Any]:
        """Wait for pictures, then for more of them: time and frames both go on, and nothing failed."""
        await self.page.evaluate(UNTIL_PICTURE, [5, 0, WAIT])
        first = await self.picture()
        await self.page.evaluate(UNTIL_PICTURE, [first["frames"] + 20, 0, WAIT])
        second = await self.picture()
        assert second["time"] > first["time"]
        assert second["error"] is None
        assert await self.page.get_attribute("#player", "data-refused") is None
        return second

    async def refused(self) -> str:
        """Wait for the refusal and give its sentence; not one frame was shown."""
        sentence = self.page.get_by_role("alert")
        await sentence.wait_for(timeout=WAIT)
        picture = await self.picture()
        assert picture["frames"] == 0
        return await sentence.inner_text()
