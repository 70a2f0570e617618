"""How calls are received."""

from pydantic import BaseModel, ConfigDict, Field


class RtpSettings(BaseModel):
    """Where calls are received. RTP knows no passwords: whoever can send there is heard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    advertise: str | None = None
    """What senders are told in its place, behind a translation of addresses say."""
    first_port: int = Field(30000, ge=1024, le=65534)
    last_port: int = Field(30999, ge=1024, le=65535)
    """Each party of a call has an even port out of these, and the one above it for RTCP."""
    shared_port: int | None = Field(None, ge=1024, le=65534)
    """For calls that are told apart by their SSRCs."""
    idle_s: float = Field(30.0, gt=0)
    """A party that sends nothing for so long, no report either, has left."""
