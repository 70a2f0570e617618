import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import soundfile as sf
from own_servers import Postgres, pg_ctl

from livemood.engine import analyze_file
from livemood.model import load_model

ROOT = Path(__file__).resolve().parent.parent

# A shell starts what runs in the background with interrupts ignored, and every process inherits
# that. Tests interrupt the programs that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


PROCESSES = 3
"""One more than CI's cores: tests wait for sound, a browser or a program. Each collects anew."""
FIRST = (
    *("e2e", "server/serve", "cli", "server/inputs", "sources", "training", "datasets", "toolkit"),
    *("server", "batch", "examples", "integrations", "plugins", "model", "engine", "notify"),
)
"""What takes longest begins first, so that all processes end at about the same time."""
READ_WORDS = ("tests/engine/test_words_live.py", "tests/server/inputs/test_stream_words.py")
"""They need the text model that tests/text makes."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Plain `pytest`, all of the fast tests, runs in processes; tests that you name in one."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    parallel = config.getoption("numprocesses", default=0)
    if config.getoption("cov_source", default=None):  # it has to be told of processes by -n
        return
    fast = config.getoption("markexpr") == "not slow"
    if everything and fast and parallel is None and not hasattr(config, "workerinput"):
        config.option.numprocesses, config.option.dist = PROCESSES, "loadscope"
        config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one module stay together, since they share what is costly.

    So do all that drive a browser: they share it, and are not to be late for each other. The
    benchmarks' runs share nothing, and would end long after all others.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            if path == "tests/test_benchmarks.py":
                return nodeid
            if path.startswith(("tests/text/", *READ_WORDS)):
                return "tests/text"
            return "tests/e2e" if path.startswith("tests/e2e/") else path

    return ByModule(config, log)


def pytest_collection_modifyitems(config, items):
    """The order of all tests together."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS or hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item):
    name = item.path.relative_to(ROOT / "tests").as_posix()
    places = (place for place, first in enumerate(FIRST) if name.startswith(first))
    return next(places, len(FIRST))


@pytest.fixture(scope="session")
def corpora():
    """The folder of emotional speech corpora, or a skip with the reason."""
    folder = Path(os.environ.get("LIVEMOOD_CORPORA", ROOT.parent / "shared" / "corpora"))
    if not (folder / "ravdess" / "metadata.csv").is_file():
        pytest.skip(f"no corpora at {folder}: set LIVEMOOD_CORPORA to their folder")
    return folder


@pytest.fixture(scope="session")
def demo_file():
    """The bundled conversation of synthetic voices."""
    return ROOT / "src" / "livemood" / "assets" / "demo.opus"


@pytest.fixture(scope="session")
def model():
    """The shipped default model."""
    loaded = load_model("default", "cpu")
    loaded.warm_up()
    return loaded


@pytest.fixture(scope="session")
def demo_timeline(demo_file, model):
    """The timeline of the bundled conversation. Only read from it."""
    timeline, failure = analyze_file(demo_file, model)
    assert failure is None
    return timeline


@pytest.fixture(scope="session")
def short_file(demo_file, tmp_path_factory):
    """The first 12 s of the bundled conversation, in which both speak: quicker to read."""
    path = tmp_path_factory.mktemp("short") / "short.flac"
    sound, rate = sf.read(demo_file, dtype="float32", frames=12 * 48_000)
    sf.write(path, sound, rate)
    return path


@pytest.fixture(scope="session")
def small_model():
    """The shipped model `small`, which uses no baselines."""
    loaded = load_model("small", "cpu")
    loaded.warm_up()
    return loaded


@pytest.fixture(scope="session")
def small_encoder_folder(tmp_path_factory):
    """The folder of a small streaming encoder with random weights. Only read from it."""
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    from small_encoder import make

    out = tmp_path_factory.mktemp("encoder")
    make(out)
    return out


@pytest.fixture(scope="session")
def clip(corpora):
    """A function from the name of a RAVDESS recording to its path."""
    return lambda name: corpora / "ravdess" / "audio" / f"{name}.flac"


@pytest.fixture(scope="session")
def synthetic():
    """A function that makes the events of a session that never was, of any length."""
    path = ROOT / "scripts" / "synthetic_session.py"
    spec = importlib.util.spec_from_file_location("synthetic_session", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.synthetic


@pytest.fixture(scope="module")
def microphone(tmp_path_factory):
    """The environment in which device `pulse` hears the sink `mic`."""
    for program in ("pulseaudio", "paplay", "pactl"):
        if not shutil.which(program):
            pytest.skip(f"no {program}: install pulseaudio and pulseaudio-utils")
    folder = tmp_path_factory.mktemp("pulse")
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    env["PULSE_SOURCE"] = "mic.monitor"
    server = subprocess.Popen(
        [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "-L",
            "module-native-protocol-unix auth-anonymous=1",
            "-L",
            "module-null-sink sink_name=mic rate=48000 channels=1",
        ],
        env=env,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(100):
        ready = subprocess.run(["pactl", "info"], env=env, capture_output=True, check=False)
        if ready.returncode == 0:
            break
        # pactl itself waits for the connection; the server announces readiness by nothing else.
        assert server.poll() is None, "PulseAudio ended"
    else:
        pytest.fail("PulseAudio did not answer")
    yield env
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def text_model(tmp_path_factory):
    """The folder of a small text model, made by the real pipeline in seconds."""
    for needed in ("torch", "transformers", "tokenizers"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"no {needed}: install the extra train")
    from small_text_model import make_text_model

    return make_text_model(tmp_path_factory.mktemp("text"))[0]


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of the tests' own."""
    pytest.importorskip("psycopg", reason="needs the extra postgresql")
    if pg_ctl() is None:
        pytest.skip("no PostgreSQL is installed")
    with Postgres() as server:
        yield server
