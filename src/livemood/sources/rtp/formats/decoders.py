"""What decodes each payload type of one sender."""

from typing import Any

from livemood.errors import UsageError
from livemood.sources.rtp.formats.codec import Decode
from livemood.sources.rtp.formats.convert import Converter
from livemood.sources.rtp.formats.payload import PayloadTypes, RtpFormat


class Decoders:
    """Decoders by payload type, all of which give sound of one format's rate and channels."""

    def __init__(self, form: RtpFormat, types: PayloadTypes) -> None:
        """Raises `UsageError` if there is no decoder for `form`, or for one that fits it."""
        self._form, self._types = form, types
        self._opened: dict[int, Decode] = {}
        self._mixing: list[Any] = []
        # Types of the same format share a decoder, and with it the state of the codec.
        shared: dict[RtpFormat, Decode] = {form: form.new_decoder()}
        for number, other in types.sound.items():
            if other.fits(form):
                if other not in shared:
                    shared[other] = other.new_decoder()
                self._open(number, shared[other])

    @property
    def cancels(self) -> bool:
        """Whether channels that are mixed cancel each other now."""
        return any(decode.cancels for decode in self._mixing)

    def get(self, payload_type: int) -> Decode | None:
        """The decoder; none if nobody knows the type. Those of other rates open when first sent."""
        found, form = self._opened.get(payload_type), self._types.sound.get(payload_type)
        if found is not None or form is None:
            return found
        try:
            self._open(payload_type, Converter(form, self._form))
        except UsageError:
            return None
        return self._opened[payload_type]

    def _open(self, payload_type: int, decode: Decode) -> None:
        self._opened[payload_type] = decode
        if hasattr(decode, "cancels"):  # asked of each packet, so it is known beforehand
            self._mixing.append(decode)
