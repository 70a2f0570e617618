"""Archives: the timelines of very many files, in one process, many, or on many machines.

Paths travel between processes and machines, sound never does. What was written is the record of
what is done, so a run that was cut short goes on where it stopped.
"""

from livemood.batch.files import ArchiveFile, Shard, is_manifest, read_manifest
from livemood.batch.folder import ArchiveFolder
from livemood.batch.reading import FileReader, Outcome
from livemood.batch.run import Progress, read_archive

__all__ = [
    "ArchiveFile",
    "ArchiveFolder",
    "FileReader",
    "Outcome",
    "Progress",
    "Shard",
    "is_manifest",
    "read_archive",
    "read_manifest",
]
