"""A small network as a source and teacher, and a few clips."""

import pytest


@pytest.fixture(scope="module")
def where(corpora, tmp_path_factory):
    """With a small network as a source and teacher, by the names `float32` and `run`."""
    torch = pytest.importorskip("torch", reason="needs the extra train")
    from tiny_recipe import SMALL, recipe

    from livemood.training.export.onnx import export_onnx
    from livemood.training.network.dcrnn import DcRnn
    from livemood.training.recipe.sections import NetworkSection
    from livemood.training.run_folder import Workspace

    folder = tmp_path_factory.mktemp("strategies")
    sources = folder / "sources"
    (sources / "float32").mkdir(parents=True)
    torch.manual_seed(2)
    network = DcRnn(NetworkSection(**SMALL), 64, 7).eval()
    export_onnx(network, 64, sources / "float32" / "model.onnx")
    (sources / "run").mkdir()
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"ema": state}, sources / "run" / "checkpoint.pt")
    (sources / "run" / "recipe.json").write_text(recipe().model_dump_json())
    return Workspace(corpora, folder / "cache", sources, "cpu")


@pytest.fixture(scope="module")
def few(where):
    """A function from a recipe to a few clips of its data."""
    from livemood.training.data.dataset import Dataset, read_dataset

    def data(made):
        whole = read_dataset(made.dataset, where.corpora)
        clips = whole.train[::45]
        tasks = [(c[::150], s[::150]) for c, s in whole.tasks]
        return Dataset(clips, [1.0] * len(clips), unlabelled=whole.unlabelled[:8], tasks=tasks)

    return data
