"""What screen readers are told while a session runs, in real Chromium."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from livemood.timeline.events import Gap, Level, Load, Marker

pytestmark = pytest.mark.e2e

LISTEN = """
window.told = [];
const region = document.querySelector("[aria-live]");
new MutationObserver(() => window.told.push([performance.now(), region.textContent]))
    .observe(region, { childList: true, characterData: true, subtree: true });
"""

FOLLOW = """
const { Announcer } = await import("/static/announce.js");
const { Store } = await import("/static/store.js");
const [stages] = args;
const region = document.createElement("p");
const announcer = new Announcer(region);
const store = new Store();
const told = [];
for (const { now, events } of stages) {
    for (const event of events) store.take(event, 0);
    announcer.last = -Infinity;  // as though five seconds had gone by
    announcer.follow(store, now, (n) => `Channel ${n + 1}`);
    await new Promise((done) => setTimeout(done));
    told.push(region.textContent);
    region.textContent = "";
}
return told;
"""
"""Events in stages, each long after the one before: what is said after each."""


@pytest.mark.slow
def test_changes_are_told_to_screen_readers_at_most_every_few_seconds(browser, server, demo_events):
    first = next(i for i, e in enumerate(demo_events) if e.type == "emotion")
    for event in demo_events[:first]:
        server.publish(event)
    browser.open(server.page)
    browser.until(f"globalThis.livemoodPage?.store.taken === {first}")
    browser.later(LISTEN)
    reading = demo_events[first]
    for seq in range(first + 1, first + 21):
        label = ("happy", "sad")[seq % 2]
        server.publish(reading.model_copy(update={"seq": seq, "label": label}))
        browser.until(f"livemoodPage.stage.panels[0].root.dataset.seq === '{seq}'")
    browser.until("window.told.length === 2")
    (early, before), (late, after) = browser.js("return window.told")
    assert late - early > 4900
    assert before != after
    assert after.startswith(f"Channel 1: {label}")


def test_all_that_happens_is_told_once(browser, server, demo_events):
    events = [e for e in demo_events if e.channel in (0, None)]
    kind = {e.type: e for e in reversed(events)}
    reading = kind["emotion"].model_copy(update={"label": "happy", "confidence": 0.6})
    base = {"session": reading.session, "time": reading.time}
    load = {"latency_ms": 300, "superseded": 2, "hop_ms": 500}
    now = reading.end_ms
    seqs = iter(range(1, 100))

    def stage(at, *happened):
        dumps = [{**e.model_dump(mode="json"), "seq": next(seqs)} for e in happened]
        return {"now": at, "events": dumps}

    def at(event, start, end):
        return event.model_copy(update={"start_ms": start, "end_ms": end})

    speech, silence = kind["speech.started"], kind["speech.ended"]
    gap = Gap(**base, start_ms=now, end_ms=now + 900, channel=0, cause="overrun", samples=14_400)
    old = gap.model_copy(update={"start_ms": 0, "end_ms": 10, "cause": "absent"})
    marker = Marker(**base, start_ms=now + 5000, end_ms=now + 5000, note="on hold")
    clipped = Level(
        **base, channel=0, problems=("clipped",), speech_db=-9.0, noise_db=-50.0, peak_db=-3.0
    )
    well = clipped.model_copy(update={"problems": ()})
    loud = "Channel 1: Too loud: the sound is clipped"
    pause = at(silence, 0, now + 1000)
    stages = [
        (stage(now, kind["session.started"], speech, reading), "Channel 1: happy, 60%"),
        (stage(now + 500, at(reading, 0, now + 500)), ""),
        (stage(now + 1000, pause), ""),
        (stage(now + 3100), "Channel 1: silent"),
        (stage(now + 9000), ""),
        (stage(now + 10_000, at(speech, now + 9000, now + 9200)), ""),
        (stage(now + 10_250, at(reading, now + 9000, now + 10_250)), "Channel 1: happy, 60%"),
        (stage(now + 10_300, gap), "Channel 1: sound lost: too much at once"),
        (stage(now + 12_000, old, marker), "Marker: on hold"),
        (stage(now + 12_100, Load(**base, channel=0, behind=True, **load)), "Latency: behind"),
        (stage(now + 12_200), ""),
        (stage(now + 12_300, Load(**base, channel=0, behind=False, **load)), "Latency: in time"),
        (stage(now + 13_000, clipped), loud),
        (stage(now + 13_100, well), ""),
        (stage(now + 13_200, clipped), loud),
    ]
    browser.open(server.page)
    assert browser.later(FOLLOW, [step for step, _ in stages]) == [text for _, text in stages]
