"""That the page says how people sound now, and nothing that is no longer so; in real Chromium."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys
from test_page_view import DRAWN, hour, show, until_ms, while_spoken

from livemood.server import ServerThread

pytestmark = pytest.mark.e2e
__all__ = ["hour"]


def test_silence_is_not_called_a_label(browser, server, demo_events):
    events = [e.model_dump(mode="json") for e in demo_events]
    spoken = next(i for i, e in enumerate(events) if e["type"] == "speech.ended")
    channel = events[spoken]["channel"]
    reading = [e for e in events[:spoken] if e["type"] == "emotion" and e["channel"] == channel][-1]
    again = next(
        e for e in events[spoken:] if e["type"] == "speech.started" and e["channel"] == channel
    )
    show(browser, server, events[:spoken])
    panel = f"[data-channel='{channel}']"
    browser.until(f"document.querySelector(\"{panel}\").dataset.kind === 'speaking'")
    assert browser.text(f"{panel} .label") == reading["label"]
    drawn = "[...document.querySelector(arguments[0]).getContext('2d')"
    drawn += ".getImageData(9, 9, 60, 60).data].some((value) => value)"
    assert browser.js(f"return {drawn}", f"{panel} .swatch")
    for event, kind, word in (
        (events[spoken], "silent", "silent"),
        # Somebody speaks again, and what was read before is not how that sounds.
        (again, "hearing", "no reading yet"),
    ):
        browser.later("livemoodPage.take(args[0]);", event)
        browser.until(f"document.querySelector(\"{panel}\").dataset.kind === '{kind}'")
        assert browser.text(f"{panel} .label") == word
        assert browser.js("return document.querySelector(arguments[0]).dataset.label", panel) == ""
        assert not browser.js(f"return {drawn}", f"{panel} .swatch")
        at = f"{reading['end_ms'] // 60_000}:{reading['end_ms'] // 1000 % 60:02}"
        assert browser.text(f"{panel} .affect") == f"last heard: {reading['label']}, {at}"


@pytest.mark.slow
def test_a_panel_says_how_a_voice_differs_from_its_usual(browser, server, demo_events):
    early, last = while_spoken(demo_events, 0)
    events = [e.model_dump(mode="json") for e in (*early, last)]
    events[-1]["voice"] = {"usual_s": 42, "level_db": 8.1, "words": ["louder", "flatter"]}
    show(browser, server, events)
    panel = "[data-channel='0']"
    browser.until(f"document.querySelector(\"{panel}\").dataset.kind === 'speaking'")
    assert browser.text(f"{panel} .voice") == "louder and less lively than usual"
    del events[-1]["voice"]
    events[-1]["seq"] += 1
    browser.later("livemoodPage.take(args[0]);", events[-1])
    browser.until(f"document.querySelector(\"{panel} .voice\").textContent === ''")


@pytest.mark.slow
def test_how_long_it_is_silent_goes_on_by_itself(browser, server, demo_events):
    events = [e.model_dump(mode="json") for e in demo_events]
    spoken = next(i for i, e in enumerate(events) if e["type"] == "speech.ended")
    show(browser, server, events[: spoken + 1])
    since = f"document.querySelector(\"[data-channel='{events[spoken]['channel']}'] .since\")"
    # In a long run the events are minutes old when they are shown.
    browser.until(f"/^for ([3-9]|[1-9][0-9]|[12]\\D*m)/.test({since}.textContent)")


def test_a_broken_connection_leaves_nothing_that_looks_current(browser, demo_events):
    early, last = while_spoken(demo_events, 0)
    with ServerThread(0) as server:
        for event in early:
            server.publish(event)
        browser.open(server.page)
        browser.until("document.querySelector(\"[data-channel='0']\")?.dataset.kind === 'speaking'")
    browser.until("document.documentElement.dataset.state === 'waiting'")
    browser.until("document.querySelector(\"[data-channel='0']\").dataset.kind === 'unknown'")
    assert browser.text("[data-channel='0'] .label") == "no news"
    assert last.label in browser.text("[data-channel='0'] .affect")


@pytest.mark.slow
def test_while_it_is_behind_the_latency_is_that_which_made_it_so(browser, server, hour):
    early = until_ms(hour, 60_000)
    load = {
        **{k: early[-1][k] for k in ("session", "time", "start_ms", "end_ms")},
        "type": "load",
        "channel": 0,
        "superseded": 3,
        "hop_ms": 500,
    }
    reading = next(e for e in early if e["type"] == "emotion" and e["channel"] == 0)
    quick = {**reading, "end_ms": early[-1]["end_ms"], "latency_ms": {"total": 3.0}}
    show(browser, server, early)
    for event, said, behind in (
        ({**load, "behind": True, "latency_ms": 240.0}, "240 of 150 ms", True),
        ({**quick, "behind": True}, "240 of 150 ms", True),
        ({**load, "behind": False, "latency_ms": 12.0}, None, False),
    ):
        browser.later(f"livemoodPage.take(args[0]); {DRAWN}", {**event, "seq": 9000})
        assert browser.js("return document.querySelector('#behind').hidden") is not behind
        assert said is None or browser.text("#latency") == said
    assert int(browser.text("#latency").split()[0]) < 150


@pytest.mark.slow
def test_of_a_session_that_ended_all_is_shown_and_nothing_of_what_is_live(
    browser, server, demo_events
):
    events = [e.model_dump(mode="json") for e in demo_events]
    show(browser, server, events)
    browser.until("document.querySelector('#pause').hidden")
    for gone in ("#jump", "#latency-row"):
        assert browser.js("return document.querySelector(arguments[0]).hidden", gone)
    assert "Space" not in browser.text("#help")
    assert browser.text(".ranges input:checked + span") == "whole session"
    assert browser.js("return livemoodPage.stage.timeline.range[0]") == 0
    said = browser.text(".panel .confidence")
    assert said.endswith("of the speech")
    assert browser.text("#duration") == "0:44"
    # One number for one thing: the share that the panel says is that of its bar.
    browser.find("#probabilities summary").send_keys(Keys.ENTER)
    browser.until("document.querySelector('.bar.said dd')?.innerText")
    assert browser.text(".bar.said dd") == said.split()[0]


@pytest.mark.slow
def test_since_and_trend_are_those_of_the_readings(browser, server):
    browser.open(server.page)
    found = browser.later(
        """
        const { Channel } = await import("/static/channel.js");
        const { stateOf } = await import("/static/state.js");
        const channel = new Channel(0, ["neutral", "angry"]);
        const at = (start_ms, end_ms, more) => ({ channel: 0, start_ms, end_ms, ...more });
        const read = (ms, angry) => channel.take(at(ms - 3000, ms, {
            type: "emotion", label: "angry", confidence: angry, valence: -0.5, arousal: 0.5,
            probabilities: { neutral: 1 - angry, angry },
        }));
        const means = { confidence: 0.6, valence: 0, arousal: 0 };
        const segment = { type: "segment", label: "angry", ...means };
        const states = [];
        channel.take(at(1000, 1200, { type: "speech.started" }));
        for (let ms = 2000; ms <= 8000; ms += 250) read(ms, 0.4);
        channel.take(at(1000, 8000, segment));
        channel.take(at(1000, 8000, { type: "speech.ended" }));
        states.push(stateOf(channel, 9500));
        // After a pause of two seconds the same goes on; after one of six it begins anew.
        channel.take(at(10_000, 10_200, { type: "speech.started" }));
        states.push(stateOf(channel, 10_500));
        for (let ms = 11_000; ms <= 16_000; ms += 250) read(ms, 0.8);
        states.push(stateOf(channel, 16_000), stateOf(channel, 16_000, { connected: false }));
        channel.take(at(10_000, 16_000, segment));
        channel.take(at(10_000, 16_000, { type: "speech.ended" }));
        channel.take(at(22_000, 22_200, { type: "speech.started" }));
        for (let ms = 23_000; ms <= 36_000; ms += 250) read(ms, ms < 32_000 ? 0.8 : 0.5);
        states.push(stateOf(channel, 36_000));
        return states.map(({ kind, said, ...more }) =>
            [kind, said?.label ?? "", more.forMs, more.paused, more.trend]);
        """
    )
    assert found == [
        ["silent", "", 1500, False, ""],
        ["hearing", "", None, False, ""],
        ["speaking", "angry", 15_000, True, "rising"],
        ["unknown", "", None, False, ""],
        ["speaking", "angry", 14_000, False, "falling"],
    ]


@pytest.mark.slow
def test_talk_shares_and_overtalk_are_those_of_the_speech(browser, server):
    browser.open(server.page)
    found = browser.later(
        """
        const { talkOf } = await import("/static/talk.js");
        const speech = (...spans) => ({ speech: spans.map(([start, end]) => ({ start, end })) });
        return talkOf([
            speech([0, 10_000], [20_000, null]), speech([8000, 14_000], [26_000, 27_000]),
            speech([9000, 12_000]),
        ], 30_000);
        """
    )
    assert found == {"spoken": [20_000, 7000, 3000], "bothMs": 5000}


@pytest.mark.slow
def test_levels_alerts_and_overtalk_are_said_where_they_belong(browser, server, hour):
    early = until_ms(hour, 60_000)
    base = {k: early[-1][k] for k in ("session", "time", "start_ms", "end_ms")}
    about = {**base, "channel": 1, "start_ms": 40_000}
    level = {**about, "type": "level", "speech_db": -52.4, "peak_db": -40.0, "noise_db": -60.0}
    alert = {**about, "type": "alert", "rule": "angry", "number": 1}
    show(browser, server, early)
    panel = "[data-channel='1']"
    hidden = f'document.querySelector("{panel} .level").hidden'
    assert browser.js(f"return {hidden}")
    assert "Ada" in browser.text("#talk")
    for event in (
        {**level, "problems": ["quiet", "hum"], "seq": 9000},
        {**alert, "state": "raised", "reason": "angry for 20 s", "seq": 9001},
    ):
        browser.later("livemoodPage.take(args[0]);", event)
    browser.until(f"!{hidden}")
    said = browser.text(f"{panel} .level")
    assert "Too quiet: hardly above the noise · Line noise" in said
    assert "−52 dB" in said
    assert browser.text(f"{panel} .reason") == "0:40 angry for 20 s"
    assert browser.text("#alerts") == "0:40 Brook: angry for 20 s"
    assert browser.js("return document.querySelector(\"[data-channel='0'] .reason\").hidden")
    for event in (
        {**level, "problems": [], "seq": 9002},
        {**alert, "state": "cleared", "reason": "no longer angry", "seq": 9003},
    ):
        browser.later("livemoodPage.take(args[0]);", event)
    browser.until(f"{hidden} && document.querySelector('#alerts').innerText === ''")
    assert browser.js(f'return document.querySelector("{panel} .reason").hidden')
    # The timeline keeps both moments.
    assert browser.js("return livemoodPage.store.alerts.length") == 2


@pytest.mark.parametrize(
    ("found", "english", "chinese"),
    [
        ({"label": "angry"}, "sounds angry", "听起来愤怒"),
        (
            {"label": "angry", "valence": -0.5, "share": 0.6, "within_s": 30},
            "sounds angry, valence −0.50: 60% of the last 30 s of speech",
            "听起来愤怒，效价 −0.50：占最近 30 秒说话时间的 60%",
        ),
        ({"silent": True}, "nobody speaks", "没有人说话"),
        (None, "as the server said", "as the server said"),
    ],
)
def test_why_an_alert_was_raised_is_said_in_both_languages(
    browser, server, found, english, chinese
):
    browser.open(server.page)
    said = browser.later(
        """
        const { alertWords, speak } = await import("/static/text.js");
        const words = ["en", "zh"].map((language) => {
            speak(language);
            return alertWords("as the server said", args[0] ?? undefined);
        });
        speak("en");
        return words;
        """,
        found,
    )
    assert said == [english, chinese]


def test_how_long_is_said_without_riddles(browser, server):
    browser.open(server.page)
    found = browser.later(
        """
        const { held } = await import("/static/text.js");
        return [held(900), held(900, { trend: "rising" }), held(12_300, { paused: true }),
                held(65_000, { trend: "falling" }), held(3000, { paused: true, trend: "steady" })];
        """
    )
    assert found == [
        "just now",
        "just now",
        "for 12 s with pauses",
        "for 1 min 5 s, getting less likely",
        "for 3 s with pauses, steady",
    ]


def test_the_key_names_what_is_on_the_timeline(browser, server, demo_events):
    events = [e.model_dump(mode="json") for e in demo_events[:-1]]
    said = {e["label"] for e in events if e["type"] == "segment"}
    browser_key = "[...document.querySelectorAll('#key li')].map((one) => one.textContent)"
    show(browser, server, events)
    browser.until(f"{browser_key}.length >= {len(said)}")
    assert said <= set(browser.js(f"return {browser_key}"))
    assert "sound lost" not in browser.js(f"return {browser_key}")
    last = events[-1]
    lost = {k: last[k] for k in ("session", "time", "start_ms", "end_ms")}
    gap = lost | {"type": "gap", "channel": 0, "cause": "packet_loss", "seq": last["seq"] + 1}
    browser.later("livemoodPage.take(args[0]);", gap)
    browser.until(f"{browser_key}.includes('sound lost')")


def test_a_note_at_the_right_edge_stands_before_its_pole(browser, server):
    browser.open(server.page)
    drawn = browser.later(
        """
        const { drawMarkers } = await import("/static/marks.js");
        const texts = [];
        const pen = new Proxy({}, { get: (_, name) =>
            name === "measureText" ? (text) => ({ width: 7 * text.length })
            : name === "fillText" ? (text, x) => texts.push([text, x]) : () => {},
            set: () => true });
        const band = { top: 0, height: 20 };
        const chart = { pen, colours: {}, range: [0, 1000], until: 1000, x: (ms) => ms,
            bands: { markers: band, axis: band }, layout: { gutter: 0, right: 1000, size: 13 } };
        drawMarkers(chart, [{ at: 100, note: "on hold" }, { at: 900, note: "a new order begins" }]);
        return texts;
        """
    )
    (left, left_x), (right, right_x) = drawn
    assert (left, right) == ("⚑ on hold", "⚑ a new order begins")
    assert left_x > 100
    assert right_x + 7 * len(right) < 900


@pytest.mark.slow
def test_a_panel_stays_as_tall_as_it_is(browser, server, hour):
    """What is painted beside the label takes the panel's height, and never gives it one."""
    # Here the painting is 134.4 pixels wide: as a canvas of 134 it would ask for more height.
    metrics = {"width": 1920, "height": 1080, "deviceScaleFactor": 1, "mobile": False}
    cdp = browser.driver.execute_cdp_cmd
    cdp("Emulation.setDeviceMetricsOverride", metrics)
    try:
        show(browser, server, until_ms(hour, 20_000))
        heights = browser.later(
            """
            const { stage, store, now } = livemoodPage;
            const [{ root, swatch }] = stage.panels;
            const heights = [];
            for (const label of [...store.labels, ...store.labels]) {
                stage.panels[0].channel.emotion.label = label;
                swatch.dataset.look = "";
                stage.draw(now(), true);
                heights.push(root.offsetHeight);
            }
            return heights;
            """
        )
        assert len(set(heights)) == 1, heights
    finally:
        cdp("Emulation.clearDeviceMetricsOverride", {})
