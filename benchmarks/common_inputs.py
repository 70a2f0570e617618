"""Real inputs of every kind that a server reads: speech in every codec, descriptions, messages."""

import base64
import json
import struct

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import soxr


def seeds(seed: int) -> dict[str, list[bytes]]:
    """Real inputs for each target."""
    sound = common.conversation(20.0, seed)
    coded = common.mu_law(sound)
    wide = (32767 * sound).astype(">i2").tobytes()
    packets: list[bytes] = []
    opus = _opus(soxr.resample(sound, common.RATE, 48000))
    for n in range(900):
        for ssrc, kind, ticks, payload in (
            (1, 0, 160, coded[160 * n : 160 * n + 160]),
            (2, 8, 160, coded[160 * n : 160 * n + 160]),
            (3, 9, 160, wide[160 * n : 160 * n + 160]),
            (4, 98, 320, wide[640 * n : 640 * n + 640]),
            (5, 96, 960, opus[n % len(opus)]),
            (6, 97, 960, opus[n % len(opus)]),
            (1 + n % 5, 13 if n % 2 else 101, 160, b"\1\x0a\0\xa0"),
        ):
            first = 0x80 | (0x10 if n % 50 == 7 else 0) | (0x20 if n % 50 == 9 else 0)
            head = struct.pack("!BBHII", first, kind, 65000 + n & 0xFFFF, n * ticks, ssrc)
            more = struct.pack("!HHI", 0xBEDE, 1, 0) if first & 0x10 else b""
            tail = b"\0\0\0\4" if first & 0x20 else b""
            packets.append(head + more + payload + tail)
        if n % 60 == 0:
            packets.append(struct.pack("!BBHIIIIII", 0x80, 200, 6, 1 + n % 6, n, n, n, n, n))
            packets.append(struct.pack("!BBHI", 0x81, 203, 1, 1 + n % 6))
    return {
        "rtp": packets,
        "rtcp": [p for p in packets if p[1] >= 200] + packets[:20],
        "sdp": _descriptions(),
        "stream": _stream_messages(sound, coded, opus),
        "twilio": _twilio_messages(coded),
    }


def _opus(sound: np.ndarray) -> list[bytes]:
    import av

    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48000, "mono", "s16"
    out: list[bytes] = []
    for n in range(200):
        piece = (32767 * sound[960 * n : 960 * n + 960]).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 960 * n
        out += [bytes(packet) for packet in context.encode(frame)]
    return out


def _descriptions() -> list[bytes]:
    head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    bodies = (
        "m=audio 5004 RTP/AVP 0 8 9 13 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\n",
        "m=audio 5004 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 sprop-stereo=1\r\n",
        "m=audio 5004 RTP/AVP 96 98\r\na=rtpmap:96 L16/16000/1\r\na=rtpmap:98 CN/16000\r\n",
        "m=video 1 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n"
        "m=audio 1 RTP/AVP 0\r\n",
        "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"
        "a=ssrc:1 cname:x\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=extmap:1 urn:x\r\n",
    )
    return [(head + body).encode() for body in bodies]


def _stream_messages(sound: np.ndarray, coded: bytes, opus: list[bytes]) -> list[bytes]:
    narrow = (32767 * sound).astype("<i2").tobytes()
    floats = sound.astype("<f4").tobytes()
    kinds = {
        "s16le": [narrow[640 * n : 640 * n + 640] for n in range(150)],
        "f32le": [floats[1280 * n : 1280 * n + 1280] for n in range(150)],
        "mulaw": [coded[160 * n : 160 * n + 160] for n in range(150)],
        "opus": opus[:150],
    }
    out: list[bytes] = []
    for encoding, pieces in kinds.items():
        rate = 48000 if encoding == "opus" else 16000
        start = {"type": "start", "rate": rate, "encoding": encoding, "channels": 1}
        start |= {"purpose": "personal", "participants": ["A"], "consent": "x", "keep_sound": False}
        out.append(b"\1" + json.dumps(start).encode())
        out += [b"\0" + piece for piece in pieces]
        out.append(b"\1" + json.dumps({"type": "marker", "note": "here"}).encode())
        out.append(b"\1" + json.dumps({"type": "end"}).encode())
    return out


def _twilio_messages(coded: bytes) -> list[bytes]:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    about = {"tracks": ["inbound", "outbound"], "mediaFormat": form}
    about |= {
        "customParameters": {"purpose": "personal", "participants": "A,B", "informed": "true"}
    }
    out: list[dict] = [{"event": "connected"}, {"event": "start", "start": about}]
    for n in range(300):
        payload = base64.b64encode(coded[160 * n : 160 * n + 160]).decode()
        for track in ("inbound", "outbound"):
            media = {"track": track, "chunk": str(n + 1), "timestamp": str(20 * n)}
            out.append({"event": "media", "media": {**media, "payload": payload}})
        if n % 50 == 0:
            out.append({"event": "dtmf", "dtmf": {"digit": "1"}})
    return [json.dumps(message).encode() for message in [*out, {"event": "stop"}]]
