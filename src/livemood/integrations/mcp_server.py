"""A server of the Model Context Protocol: lets an assistant ask how conversations go (extra `mcp`).

It only reads. It asks a running `livemood serve`, or the monitor of `livemood listen`, by REST, and
keeps nothing.
"""

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from livemood.errors import LivemoodError
from livemood.integrations.rest import LivemoodRest
from livemood.integrations.session_state import Entry, SessionState, entries, state_of
from livemood.timeline import Timeline
from livemood.version import __version__

INSTRUCTIONS = """\
livemood estimates how speech sounds while people speak: a label (neutral, happy, sad, angry, fear,
disgust, surprise or uncertain), valence and arousal from -1 to 1. It does not know what a person
feels, and it is often wrong: say "sounds angry", never "is angry". Do not judge people at work or
in education by it. Begin with list_sessions where you do not know the session."""
MOST_ENTRIES = 200
MOST_SESSIONS = 20
"""Sessions whose timelines one search looks through."""
READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)
Session = Annotated[
    str | None, Field(description="The session's id; without it the one that runs, if it is one.")
]
Channel = Annotated[int | None, Field(ge=0, description="One channel alone, counted from 0.")]


class SessionLine(BaseModel):
    """One session."""

    session: str
    state: str
    """`waiting`, `live` or `ended`."""
    source: str | None = None
    purpose: str | None = None
    participants: list[str] = []
    created: str | None = None
    duration_s: float | None = None
    labels: list[str | None] = []
    """For each channel what it sounds like now; of an ended session, the dominant label."""


class SessionList(BaseModel):
    """Sessions, newest first."""

    sessions: list[SessionLine]


class TimelinePart(BaseModel):
    """What happened, in order."""

    session: str
    entries: list[Entry]
    left_out: int
    """Entries after these that were left out: ask for a later part."""


class SearchResult(BaseModel):
    """What was found, by session."""

    found: list[TimelinePart]
    sessions_searched: int


class Tools:
    """The tools, on one livemood."""

    def __init__(self, rest: LivemoodRest) -> None:
        self._rest = rest

    async def list_sessions(
        self,
        query: Annotated[
            str, Field(description="In id, source, participants or consent; empty finds all.")
        ] = "",
        state: Annotated[
            str | None, Field(pattern="^(waiting|live|ended)$", description="Of this state alone.")
        ] = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> SessionList:
        """Find sessions: what they are for, who speaks, how each channel sounds."""
        asked: dict[str, str | int] = {"limit": limit}
        asked |= {"q": query} if query else {}
        asked |= {"state": state} if state else {}
        records = await self._rest.sessions(**asked)
        if records and "created" not in records[0]:
            # A monitor keeps no records: what it has said tells.
            line = _line_of(await self._rest.timeline(records[0]["id"]))
            said = [line.session, line.source or "", *line.participants]
            found = any(query.casefold() in text.casefold() for text in said)
            return SessionList(sessions=[line] if found and state in (None, line.state) else [])
        return SessionList(sessions=[_line(record) for record in records])

    async def current_state(self, session: Session = None) -> SessionState:
        """How each person in a session sounds now and since when, and the alerts that are up."""
        return state_of(await self._timeline(session))

    async def timeline(
        self,
        session: Session = None,
        from_s: Annotated[float, Field(ge=0)] = 0.0,
        to_s: float | None = None,
        channel: Channel = None,
    ) -> TimelinePart:
        """What happened in a session: stretches of one label, alerts, notes, lost sound."""
        found = await self._timeline(session)
        return _part(found, from_s=from_s, to_s=to_s, channel=channel)

    async def search(
        self,
        label: Annotated[str | None, Field(description="Stretches of this label.")] = None,
        text: Annotated[
            str | None, Field(description="In notes, alerts and their reasons.")
        ] = None,
        min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0,
        session: Annotated[
            str | None, Field(description="One session; without it, the newest ones.")
        ] = None,
        query: Annotated[str, Field(description="Only sessions found by this.")] = "",
    ) -> SearchResult:
        """Find moments in timelines: where somebody sounds angry, where an alert was raised."""
        if label is None and not text:
            raise ToolError("give label, text or both")
        if session is not None:
            sessions = [session]
        else:
            listed = await self.list_sessions(query, None, MOST_SESSIONS)
            sessions = [line.session for line in listed.sessions if line.state != "waiting"]
        parts = [
            _part(
                await self._rest.timeline(one),
                label=label,
                text=text,
                min_confidence=min_confidence,
            )
            for one in sessions
        ]
        return SearchResult(found=[p for p in parts if p.entries], sessions_searched=len(sessions))

    async def _timeline(self, session: str | None) -> Timeline:
        if session is None:
            live = [r["id"] for r in await self._rest.sessions(state="live")]
            if len(live) != 1:
                raise ToolError(f"{len(live)} sessions run: name one, list_sessions knows them")
            session = live[0]
        return await self._rest.timeline(session)


def make_server(url: str, token: str | None = None) -> MCPServer[Any]:
    """The server, which asks the livemood at `url`; `run()` serves standard input and output."""
    server: MCPServer[Any] = MCPServer(
        "livemood", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR"
    )
    tools = Tools(LivemoodRest(url, token))
    for tool in (tools.list_sessions, tools.current_state, tools.timeline, tools.search):
        server.add_tool(_said(tool), annotations=READ_ONLY)
    return server


def _said(tool: Any) -> Any:  # noqa: ANN401 - a method, with the signature that the SDK reads
    """The tool; what goes wrong is told in livemood's one line."""
    from functools import wraps

    @wraps(tool)
    async def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            return await tool(*args, **kwargs)
        except LivemoodError as error:
            raise ToolError(str(error)) from None

    return called


def _part(timeline: Timeline, **wanted: Any) -> TimelinePart:  # noqa: ANN401 - those of `entries`
    found = list(entries(timeline, **wanted))
    session = next((event.session for event in timeline.events), "")
    return TimelinePart(
        session=session,
        entries=found[:MOST_ENTRIES],
        left_out=max(0, len(found) - MOST_ENTRIES),
    )


def _line_of(timeline: Timeline) -> SessionLine:
    now, started = state_of(timeline), timeline.started
    return SessionLine(
        session=now.session,
        state="ended" if now.ended else "live",
        source=now.source,
        purpose=started.purpose if started else None,
        participants=list(started.participants) if started else [],
        created=started.time if started else None,
        duration_s=now.at_s,
        labels=[voice.label for voice in now.voices],
    )


def _line(record: dict[str, Any]) -> SessionLine:
    return SessionLine(
        session=record["id"],
        state=record["state"],
        source=record.get("source"),
        purpose=record.get("purpose"),
        participants=record.get("participants") or [],
        created=record.get("created"),
        duration_s=record["duration_ms"] / 1000 if record.get("duration_ms") else None,
        labels=record.get("labels") or [],
    )
