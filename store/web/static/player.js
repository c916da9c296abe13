// The player: asks for permission, plays the encrypted film, keeps its place, and says plainly what is in the way.
"use strict";

(async () => {
  const page = document.getElementById("player");
  const { title, csrf, locale, zone, devices, film } = page.dataset;
  const texts = JSON.parse(document.getElementById("player-texts").textContent);
  const find = (name) => page.querySelector(`[data-part="${name}"]`);
  const video = find("video");
  const SEEN = 0.5;
  const LOOK_AGAIN = 1500; // milliseconds
  const SETTLED = 500; // milliseconds without another move: a drag over the film is told once

  const EMPTY_FOR = 60_000; // milliseconds without a picture after which waiting is no help any more
  const BRIEFLY = 2000; // milliseconds that a sentence about the volume stands
  // The network comes back: it is asked often, and less and less.
  const PATIENT = { maxAttempts: 4, baseDelay: 500, backoffFactor: 2 };

  let device;
  let player;
  let showing; // the playback that the server opened
  let beating; // the timer of the heartbeats
  let settling; // the timer after a move
  let away = false; // whether the place was given up: the film was paused for long, or is over
  let comingBack = null; // taking a place again, while that is under way
  let firstBeatSent = false;
  let confirmed = false;
  let patience = 3; // how often it is looked whether the contract's confirmation has come
  let reached = 0; // where the film stood, to go on there
  let sequence = 0; // number of the last report of this playback
  let moves = 0; // how often the viewer moved the place
  let movesTold = 0; // of those, how many the server knows of
  let untold = null; // the playback whose failure could not be told yet

  // --- what is shown: one of "loading", "question", "refusal", "ready", "film" --------------------------------

  function show(state) {
    page.dataset.state = state;
    for (const panel of page.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== state;
    page.querySelector(`[data-panel="${state}"] [data-first]`)?.focus();
  }

  // A refusal is a sentence and its ways out: something to do, or somewhere to go.
  function refuse(sentence, ...ways) {
    stopBeating();
    stall(false);
    video.pause();
    find("refusal-sentence").textContent = sentence;
    find("refusal-more").hidden = true;
    find("refusal-ways").replaceChildren(...ways.map(wayOut));
    page.dataset.refused = "true";
    show("refusal");
  }

  function wayOut({ label, act, href }, index) {
    const way = document.createElement(act ? "button" : "a");
    way.className = index === 0 ? "button main" : "button";
    way.textContent = label;
    if (index === 0) way.dataset.first = "";
    if (act) {
      way.type = "button";
      way.addEventListener("click", act);
    } else {
      way.href = href;
    }
    return way;
  }

  const again = { label: texts.again, act: () => begin() };
  const toFilm = { label: texts.to_film, href: film };

  // What this page does by itself or asks later is no news.
  const OWN_STEPS = ["device_not_registered", "start_confirmation_needed"];

  function refuseByProblem(problem) {
    page.dataset.code = problem.code || "";
    explainProblem(problem);
    tellMore((problem.reasons || []).slice(1).filter((reason) => !OWN_STEPS.includes(reason.code)));
  }

  // All that stands in the way is said at once, so that nobody mends one thing to hear of the next.
  function tellMore(reasons) {
    find("refusal-more").hidden = reasons.length === 0;
    find("refusal-more").replaceChildren(...reasons.map((reason) => {
      const line = document.createElement("li");
      line.textContent = reason.sentence[locale];
      return line;
    }));
  }

  function explainProblem(problem) {
    const sentence = problem.detail || texts.failed;
    if (problem.sessions?.length) {
      return refuse(sentence, ...problem.sessions.map((other) => ({
        label: texts.stop_there.replace("{device}", other.device), act: () => stopElsewhere(other.id),
      })));
    }
    if (problem.code === "device_removed") {
      return refuse(sentence, { label: texts.register_again, act: registerAgain }, toFilm);
    }
    if (problem.code === "confirmation_outstanding") {
      return refuse(sentence, { label: texts.save_confirmation, act: () => saveConfirmation(problem.id) }, again);
    }
    if (["device_limit_reached", "new_devices_exhausted"].includes(problem.code)) {
      return refuse(sentence, { label: texts.to_devices, href: devices }, again);
    }
    // Opened anew, the page itself asks for the sign-in and comes back, or gets the token of the present one.
    if (["not_signed_in", "cross_site_request"].includes(problem.code)) {
      return refuse(sentence, { label: texts.to_sign_in, href: location.href });
    }
    const action = problem.reasons?.[0]?.action;
    if (action) return refuse(sentence, ...waysTo(action));
    if ([403, 404, 451].includes(problem.status) || problem.code === "film_not_ready") {
      return refuse(sentence, toFilm);
    }
    return refuse(sentence, again, toFilm);
  }

  // The next step that the server names: this page takes it, or another one does.
  function waysTo({ name, web }) {
    const label = texts[`way_${name}`];
    if (name === "rent_or_buy") return [{ label, href: film }];
    if (["wait", "register_device", "confirm_start"].includes(name)) return [{ ...again, label }, toFilm];
    const there = { label, href: `/${locale}${web}` };
    if (name !== "enter_pin") return [there, toFilm];
    // What is shut to whoever watches has no page of its own for them, either.
    there.href += `?next=${encodeURIComponent(location.pathname)}`;
    return [there];
  }

  // What ended under way says little of why: the decision does, and what can be done. Without reasons it may go on.
  async function askWhy(problem) {
    const wanted = { title, start_confirmed: confirmed };
    const answer = await device.ask("POST", "/v1/playback-decisions", wanted).catch(() => null);
    const [first] = (answer?.body.reasons || []).filter((reason) => !OWN_STEPS.includes(reason.code));
    if (!first) return refuseByProblem(problem);
    refuseByProblem({ ...first.details, code: first.code, detail: first.sentence[locale], reasons: [first] });
  }

  const moment = (text) => new Intl.DateTimeFormat(locale, {
    weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", timeZone: zone,
  }).format(new Date(text));

  // --- permission ---------------------------------------------------------------------------------------------

  async function begin() {
    show("loading");
    delete page.dataset.refused;
    try {
      device ??= await window.videothek.openDevice({ csrf, locale });
    } catch {
      return refuse(texts.no_device, toFilm);
    }
    try {
      if (untold) await tellFailure();
      const answer = await openPlayback();
      if (answer.status !== 201) return explain(answer.body);
      showing = answer.body;
      if (showing.licence_url === null) return refuseProtected();
      await play();
    } catch (fault) {
      console.warn(fault);
      if (fault.problem?.code) return refuseByProblem(fault.problem);
      refuse(texts.offline, again);
    }
  }

  // Only services that this page does not speak to give the film's keys: its place is for whoever can.
  async function refuseProtected() {
    refuse(texts.protected, toFilm);
    await device.ask("DELETE", `/v1/playback-sessions/${showing.id}`).catch(() => null);
  }

  async function openPlayback() {
    const wanted = { title, start_confirmed: confirmed };
    let answer = await device.ask("POST", "/v1/playback-sessions", wanted);
    if (answer.body.code === "device_not_registered") {
      const registered = await device.ask("POST", "/v1/devices", { name: window.videothek.deviceName() });
      if (registered.status !== 201) return registered;
      answer = await device.ask("POST", "/v1/playback-sessions", wanted);
    }
    return answer;
  }

  // A device that its owner removed comes back only when someone here says so.
  async function registerAgain() {
    show("loading");
    const wanted = { name: window.videothek.deviceName(), again: true };
    const answer = await device.ask("POST", "/v1/devices", wanted).catch(() => null);
    if (answer === null) return refuse(texts.offline, again);
    return answer.status === 201 ? begin() : refuseByProblem(answer.body);
  }

  // The mail with the contract's confirmation has not come: saved as a file it is the customer's as well.
  async function saveConfirmation(order) {
    show("loading");
    const answer = await device.ask("POST", `/v1/orders/${order}/confirmations`).catch(() => null);
    if (answer === null) return refuse(texts.offline, again);
    if (answer.status !== 201) return refuseByProblem(answer.body);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([answer.body.text], { type: "text/plain;charset=utf-8" }));
    link.download = answer.body.file_name;
    link.click();
    URL.revokeObjectURL(link.href);
    await begin();
  }

  // Who presses "watch" right after paying is often faster than the mail: look again before bothering anybody.
  async function explain(problem) {
    if (problem.code === "confirmation_outstanding" && patience > 0) {
      patience -= 1;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
      return begin();
    }
    if (problem.code !== "start_confirmation_needed") return refuseByProblem(problem);
    const key = problem.bound_by === "start_by" ? "question_cut" : "question_full";
    find("question-sentence").textContent = texts[key]
      .replace("{hours}", problem.watch_hours).replace("{ends_at}", moment(problem.ends_at));
    show("question");
  }

  find("confirm").addEventListener("click", () => {
    confirmed = true;
    begin();
  });

  async function stopElsewhere(id) {
    show("loading");
    // If this gets lost, asking again finds the place still taken and says so.
    await device.ask("DELETE", `/v1/playback-sessions/${id}`).catch(() => null);
    begin();
  }

  // --- the film -----------------------------------------------------------------------------------------------

  async function play() {
    shaka.polyfill.installAll();
    if (!shaka.Player.isBrowserSupported()) return refuse(texts.unsupported, toFilm);
    await player?.destroy();
    player = new shaka.Player();
    const attempt = { failed: false, loaded: false };
    player.addEventListener("error", (event) => fail(event.detail, attempt));
    player.addEventListener("trackschanged", offerQualities);
    player.addEventListener("buffering", (event) => stall(event.buffering, attempt));
    await player.attach(video);
    player.configure({
      drm: {
        servers: { "org.w3.clearkey": new URL(showing.licence_url, location.origin).href },
        // A proof serves once, so a licence request is never repeated as it is.
        retryParameters: { maxAttempts: 1 },
      },
      streaming: {
        retryParameters: PATIENT,
        // A picture that cannot be fetched is asked for again, not taken from the list of those to choose from.
        maxDisabledTime: 0,
        failureCallback: (fault) => { if (isPassing(fault, attempt)) player.retryStreaming(); },
      },
    });
    player.getNetworkingEngine().registerRequestFilter(async (type, request) => {
      if (type !== shaka.net.NetworkingEngine.RequestType.LICENSE) return;
      request.headers["Authorization"] = `DPoP ${showing.token}`;
      request.headers["DPoP"] = await device.proof("POST", showing.licence_url, showing.token);
      request.headers["Accept-Language"] = locale;
    });
    window.videothek.player = player;
    firstBeatSent = away = false;
    sequence = 0; // the moves stay: they belong to the page
    try {
      await player.load(showing.manifest_url, reached || showing.resume_at || null);
    } catch (fault) {
      return fail(fault, attempt);
    }
    if (attempt.failed) return; // A licence may fail while the film loads: that is said already.
    attempt.loaded = true;
    find("stands-in").hidden = !showing.stands_in;
    find("from-start").hidden = !showing.resume_at || reached > 0;
    offerTracks();
    offerQualities();
    tellTimeLeft();
    startBeating();
    show("film");
    stall(player.isBuffering(), attempt);
    await video.play().catch(() => { if (!attempt.failed) show("ready"); });
  }

  // What was fetched goes on playing without a network, which is asked again meanwhile.
  const isPassing = (fault, attempt) => attempt.loaded && fault.category === shaka.util.Error.Category.NETWORK;

  let stalling; // the timer until the sentence is shown: a jump waits for a moment, which is no news
  let starving; // the timer until it is given up
  let stalled = false;

  function stall(isEmpty, attempt) {
    clearTimeout(stalling);
    clearTimeout(starving);
    if (isEmpty && page.dataset.state === "film") {
      stalling = setTimeout(() => tellStalled(true), SETTLED);
      starving = setTimeout(() => giveUp(attempt), EMPTY_FOR);
    } else if (stalled) {
      tellStalled(false);
    }
  }

  function tellStalled(isStalled) {
    stalled = isStalled;
    page.dataset.stalled = String(stalled);
    say("");
    wake();
  }

  // Who has seen a picture waits for the network; who has not may get the start back.
  async function giveUp(attempt) {
    if (page.dataset.state !== "film" || attempt.failed) return;
    if (progress() < SEEN) return fail({ code: "stalled" }, attempt);
    attempt.failed = true;
    refuse(texts.stalled_long, again, toFilm);
    await player.unload();
  }

  // One line tells what changes while the film runs, to eyes and to screen readers.
  let briefly;
  function say(sentence) {
    clearTimeout(briefly);
    find("status").textContent = sentence || (stalled ? texts.stalled : "");
    if (sentence) briefly = setTimeout(() => say(""), BRIEFLY);
  }

  // A refused licence says why; anything else is the player's own failure, which may give the start back.
  // A player that failed may complain again while the viewer has tried anew already: that is no news.
  async function fail(fault, attempt) {
    if (page.dataset.refused || attempt.failed || isPassing(fault, attempt)) return;
    page.dataset.refused = "true";
    page.dataset.fault = String(fault.code || fault);
    const problem = licenceProblem(fault);
    if (problem) {
      attempt.failed = true;
      await player.unload();
      return refuseByProblem(problem);
    }
    console.warn(fault);
    if (fault.severity === shaka.util.Error.Severity.RECOVERABLE) {
      delete page.dataset.refused;
      return;
    }
    attempt.failed = true;
    untold = showing.id;
    const isTakenBack = await tellFailure().catch(() => null);
    if (untold) return refuse(texts.failed_untold, again, toFilm);
    refuseFailed(isTakenBack);
  }

  function refuseFailed(isTakenBack) {
    refuse(isTakenBack ? texts.failed_taken_back : texts.failed, again, toFilm);
  }

  addEventListener("online", async () => {
    if (!untold) return;
    const isTakenBack = await tellFailure().catch(() => null);
    // Whoever has tried again meanwhile is further than this sentence.
    if (!untold && find("refusal-sentence").textContent === texts.failed_untold && page.dataset.state === "refusal") {
      refuseFailed(isTakenBack);
    }
  });

  // Whether the start was taken back; it is told once, whoever asks for it meanwhile.
  let telling = null;
  const tellFailure = () => (telling ??= sendFailure().finally(() => { telling = null; }));

  async function sendFailure() {
    const report = await device.ask("POST", `/v1/playback-sessions/${untold}/failures`);
    const isTakenBack = report.status === 200 && report.body.start_taken_back;
    // Then the start is a question again; and it is one where nobody knows what became of it.
    if (report.status !== 200 || isTakenBack) confirmed = false;
    // Any other answer says nothing of the failure: it is told once the viewer is signed in, or less was asked.
    if (![200, 404, 410].includes(report.status)) {
      throw Object.assign(new Error(`the failure could not be told: ${report.status}`), { problem: report.body });
    }
    untold = null;
    return Boolean(isTakenBack);
  }

  // Null where no refusal came: the answer was lost, and with it perhaps a licence that began the rental's hours.
  function licenceProblem(fault) {
    if (fault.code !== shaka.util.Error.Code.LICENSE_REQUEST_FAILED) return null;
    try {
      const problem = JSON.parse(fault.data[0].data[2]);
      return problem.code ? problem : null;
    } catch {
      return null;
    }
  }

  // --- signs of life ------------------------------------------------------------------------------------------

  function startBeating() {
    stopBeating();
    beating = setInterval(() => (away ? comeBack() : beat()), showing.heartbeat_seconds * 1000);
  }

  function stopBeating() {
    clearInterval(beating);
    clearTimeout(settling);
  }

  // The time alone proves nothing: a player without keys may jump over gaps and show no picture.
  const progress = () => (video.getVideoPlaybackQuality().totalVideoFrames > 0 ? video.currentTime : 0);
  const pathOf = (playback) => `/v1/playback-sessions/${playback.id}`;

  function nextReport() {
    sequence += 1;
    return { position: progress(), sequence, sought: moves > movesTold };
  }

  async function beat() {
    clearTimeout(settling);
    const asked = showing;
    const movesNow = moves;
    const report = nextReport();
    const answer = await device.ask("POST", `${pathOf(asked)}/heartbeats`, report).catch(() => null);
    // The next one may get through; or another place was taken meanwhile, and this answer is old.
    if (answer === null || answer.status >= 500 || asked !== showing) return;
    if (answer.status === 200) {
      // A place before the first picture is not kept: the move is told with the next one.
      if (report.position >= SEEN) movesTold = Math.max(movesTold, movesNow);
      Object.assign(showing, answer.body, { toldAt: report.position });
      tellTimeLeft();
      // Signing takes a moment that a page which is left has not: its last report is signed ahead.
      asked.lastProof = await device.proof("POST", `${pathOf(asked)}/progress-reports`);
    } else if (answer.body.end_reason === "silent" || answer.body.code === "rental_over") {
      await comeBack();
    } else {
      await player.unload();
      await askWhy(answer.body);
    }
  }

  // The place was given up while the device slept, or the rental ended under a film that was bought meanwhile: take a
  // place again and go on where the film stands. A paused film needs none, and its place would overwrite that of the
  // device where somebody watches: it comes back when it plays.
  async function comeBack() {
    away = true;
    if (video.paused) return stopBeating();
    await (comingBack ??= takePlaceAgain().finally(() => { comingBack = null; }));
  }

  async function takePlaceAgain() {
    const answer = await openPlayback().catch(() => null);
    if (answer === null || answer.status >= 500) return; // the next heartbeat tries again
    if (answer.status === 201) {
      showing = answer.body;
      sequence = 0;
      away = false;
      beat();
    } else {
      stopBeating();
      await player.unload();
      explain(answer.body);
    }
  }

  video.addEventListener("play", () => {
    if (!away) return;
    startBeating();
    comeBack();
  });

  // A film that is over needs no place: it tells its end, and frees the place for another device.
  video.addEventListener("ended", async () => {
    if (away || page.dataset.state !== "film") return;
    const over = showing;
    away = true;
    stopBeating();
    await beat();
    await device.ask("DELETE", pathOf(over)).catch(() => null);
  });

  // --- languages: shown where there is a choice, and kept for the next film -------------------------------------

  const named = (language) => new Intl.DisplayNames([locale], { type: "language" }).of(language);
  const audio = find("audio");
  const subtitles = find("subtitles");

  function offerTracks() {
    const heard = [...new Set(player.getAudioTracks().map((track) => track.language))].filter((one) => one !== "und");
    const read = [...new Set(player.getTextTracks().map((track) => track.language))];
    audio.replaceChildren(...heard.map((one) => new Option(named(one), one)));
    subtitles.replaceChildren(new Option(texts.subtitles_off, ""), ...read.map((one) => new Option(named(one), one)));
    audio.hidden = heard.length < 2;
    subtitles.hidden = read.length === 0;
    if (heard.includes(showing.audio)) audio.value = showing.audio;
    if (read.includes(showing.subtitles)) subtitles.value = showing.subtitles;
    if (!audio.hidden || !subtitles.hidden) selectTracks();
  }

  function selectTracks() {
    const heard = player.getAudioTracks().find((track) => track.language === audio.value);
    if (heard && !heard.active) {
      player.selectAudioTrack(heard);
      selectQuality();
    }
    player.selectTextTrack(player.getTextTracks().find((track) => track.language === subtitles.value) || null);
  }

  async function chooseTracks() {
    selectTracks();
    // What this film does not offer stays as it was chosen for others.
    const choice = {
      audio: audio.hidden ? showing.audio || "original" : audio.value,
      subtitles: subtitles.hidden ? showing.subtitles || "off" : subtitles.value || "off",
    };
    Object.assign(showing, choice);
    await device.ask("PUT", "/v1/track-choice", choice).catch(() => null);
  }

  // --- the picture: as good as the connection carries, or one height of those that were paid ----------------------

  const quality = find("quality");

  function offerQualities() {
    // Those whose keys were not granted are not among them.
    const heights = [...new Set(player.getVariantTracks().map((track) => track.height).filter(Boolean))];
    heights.sort((one, other) => other - one);
    quality.replaceChildren(new Option(texts.quality_auto, ""), ...heights.map((one) => new Option(`${one}p`, one)));
    quality.hidden = heights.length < 2;
    // Kept in this browser: it is about its screen and its connection.
    const kept = localStorage.getItem("quality");
    quality.value = heights.includes(Number(kept)) ? kept : "";
    selectQuality();
  }

  function selectQuality() {
    const height = Number(quality.value);
    player.configure("abr.enabled", !height);
    if (!height) return;
    const heard = player.getVariantTracks().find((track) => track.active)?.language;
    const [best] = player.getVariantTracks()
      .filter((track) => track.height === height && (!heard || track.language === heard))
      .sort((one, other) => other.bandwidth - one.bandwidth);
    if (best && !best.active) player.selectVariantTrack(best, true);
  }

  quality.addEventListener("change", () => {
    localStorage.setItem("quality", quality.value);
    selectQuality();
  });

  audio.addEventListener("change", chooseTracks);
  subtitles.addEventListener("change", chooseTracks);

  function tellTimeLeft() {
    const left = find("time-left");
    left.hidden = !showing.ends_at;
    if (!showing.ends_at) return;
    const minutes = Math.max(0, Math.floor((Date.parse(showing.ends_at) - Date.parse(showing.server_time)) / 60_000));
    const [unit, amount] = minutes >= 60 ? ["hour", Math.floor(minutes / 60)] : ["minute", minutes];
    const span = new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(amount);
    left.textContent = texts.time_left.replace("{span}", span);
  }

  addEventListener("pagehide", () => {
    if (!showing || away || page.dataset.refused) return;
    const send = (method, path, more, body) => fetch(path, {
      method, keepalive: true, body, headers: { "X-CSRF-Token": csrf, ...more },
    }).catch(() => {});
    // A film that stands where it was told last has nothing to say: somebody may watch on elsewhere.
    if (showing.lastProof && progress() >= SEEN && progress() !== showing.toldAt) {
      const json = { "Content-Type": "application/json", DPoP: showing.lastProof };
      send("POST", `${pathOf(showing)}/progress-reports`, json, JSON.stringify({ reports: [nextReport()] }));
    }
    send("DELETE", pathOf(showing));
  });

  // --- controls -----------------------------------------------------------------------------------------------

  const seek = find("seek");
  const clock = (seconds) => {
    const whole = Math.floor(seconds || 0);
    const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
    return (parts[0] ? parts : parts.slice(1)).map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
  };

  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  const moveTo = (seconds) => {
    moves += 1;
    video.currentTime = Math.min(Math.max(0, seconds), video.duration || 0);
    speakPlace();
  };
  const move = (seconds) => moveTo(video.currentTime + seconds);
  const louder = (step) => {
    video.muted = false;
    video.volume = Math.min(1, Math.max(0, video.volume + step));
    tellVolume();
  };
  const mute = () => { video.muted = !video.muted; tellVolume(); };
  const tellVolume = () => {
    const percent = Math.round((video.muted ? 0 : video.volume) * 100);
    say(texts.volume.replace("{percent}", new Intl.NumberFormat(locale, { style: "percent" }).format(percent / 100)));
  };
  const fill = () => (document.fullscreenElement ? document.exitFullscreen() : page.requestFullscreen?.());

  function label(name, on) {
    const button = find(name);
    button.dataset.on = String(on);
    button.setAttribute("aria-label", on ? button.dataset.labelOn : button.dataset.labelOff);
  }

  find("toggle").addEventListener("click", toggle);
  find("mute").addEventListener("click", mute);
  find("fill").addEventListener("click", fill);
  find("start").addEventListener("click", () => { show("film"); video.play(); });
  video.addEventListener("click", toggle);
  video.addEventListener("dblclick", fill);
  video.addEventListener("play", () => label("toggle", true));
  video.addEventListener("pause", () => { label("toggle", false); wake(); });
  video.addEventListener("volumechange", () => label("mute", video.muted || video.volume === 0));
  document.addEventListener("fullscreenchange", () => label("fill", Boolean(document.fullscreenElement)));
  video.addEventListener("durationchange", () => { seek.max = video.duration || 0; });
  const places = () => `${clock(video.currentTime)} / ${clock(video.duration)}`;

  // While the film runs nobody is told of each second; whoever moves, or comes to the slider, hears where they are.
  function speakPlace() {
    seek.setAttribute("aria-valuetext", places());
  }

  function showPlace() {
    if (!seek.matches(":active")) seek.value = video.currentTime;
    find("clock").textContent = places();
    if (page.dataset.state === "film" && progress() > 0) reached = video.ended ? 0 : video.currentTime;
  }

  video.addEventListener("seeking", showPlace);
  video.addEventListener("timeupdate", () => {
    showPlace();
    if (!firstBeatSent && showing && progress() > SEEN) {
      firstBeatSent = true;
      beat();
    }
  });
  seek.addEventListener("input", () => moveTo(Number(seek.value)));
  seek.addEventListener("focus", speakPlace);
  find("from-start").addEventListener("click", () => {
    moveTo(0);
    find("from-start").hidden = true;
  });
  // A pause and a new place are told at once: the next device goes on there.
  const tellPlace = () => { if (firstBeatSent && !away && page.dataset.state === "film") beat(); };
  video.addEventListener("pause", () => { if (!video.ended) tellPlace(); });
  video.addEventListener("seeked", () => {
    clearTimeout(settling);
    settling = setTimeout(tellPlace, SETTLED);
  });

  document.addEventListener("keydown", (event) => {
    if (page.dataset.state !== "film" || event.ctrlKey || event.metaKey || event.altKey) return;
    // A list that is chosen from has the keys for itself.
    if (event.target.closest("select")) return wake();
    const acts = {
      f: fill, m: mute, k: toggle,
      ArrowLeft: () => move(-10), ArrowRight: () => move(10), ArrowUp: () => louder(0.1), ArrowDown: () => louder(-0.1),
    };
    if (!event.target.closest("button, a")) acts[" "] = toggle;
    // On the slider, up is on, as on any slider.
    if (event.target === seek) {
      Object.assign(acts, { ArrowUp: acts.ArrowRight, ArrowDown: acts.ArrowLeft });
      Object.assign(acts, { PageUp: () => move(60), PageDown: () => move(-60) });
    }
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    wake();
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Whoever points keeps no focus on what was pressed or chosen: the keys are the film's again.
  let isPointing = false;
  addEventListener("pointerdown", () => { isPointing = true; }, true);
  addEventListener("keydown", () => { isPointing = false; }, true);
  for (const [name, kinds] of [["click", "button"], ["change", "select, input"]]) {
    page.addEventListener(name, (event) => {
      if (isPointing) event.target.closest(`:is(.above, .below) :is(${kinds})`)?.blur();
    });
  }

  // Controls fade while the film runs and nobody moves.
  let sleeping;
  function wake() {
    page.dataset.awake = "true";
    clearTimeout(sleeping);
    sleeping = setTimeout(() => { if (!video.paused && !stalled) page.dataset.awake = "false"; }, 3000);
  }
  for (const name of ["pointermove", "pointerdown", "focusin"]) page.addEventListener(name, wake);
  wake();

  begin();
})();
