import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("praatio", reason="needs the extra data")

RATE = 16000


@pytest.fixture(scope="session")
def sounds(tmp_path_factory):
    """A folder of four recordings, of 2 to 5 s; two of them have the same name."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(1)
    for n, name in enumerate(("one.wav", "two.flac", "sub dir/one.wav", "sub dir/three.flac")):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        sound = 0.1 * rng.standard_normal((RATE * (2 + n) + 37, 2))
        sf.write(path, sound.astype(np.float32), RATE)
    return folder
