"""One worker of several on its machine that is a node of a cluster; the supervisor starts it."""

from livemood.server.cluster.membership import NodeMembership
from livemood.server.cluster.siblings import Place
from livemood.server.peers.registry import Registry
from livemood.server.serve.settings import ServeSettings
from livemood.server.workers.membership import Work
from livemood.server.workers.worker import begin


def join(settings: ServeSettings, work: Work, registry: Registry) -> NodeMembership:
    """Join the cluster. Raises `LivemoodError`."""
    return NodeMembership(settings, Place(registry, work))


if __name__ == "__main__":
    begin(join)
