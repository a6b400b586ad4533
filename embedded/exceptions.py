"""One root, one child a cause. Each message is a paragraph for a reader: what is wrong, then the way out."""


class EmbeddedError(Exception):
    """Something that `make up` needs is missing or in the way."""


class JavaMissing(EmbeddedError):
    """No Java that OpenSearch can run on."""


class DownloadFailed(EmbeddedError):
    """An artifact could not be fetched, or is not the pinned one."""


class AssemblyFailed(EmbeddedError):
    """The OpenSearch folder could not be put together."""


class DiskShort(EmbeddedError):
    """Not enough free disk for what comes next."""


class FolderUnusable(EmbeddedError):
    """The user that a server runs as can't work in its folder."""


class PortInUse(EmbeddedError):
    """Another program listens on the port."""


class DataInUse(EmbeddedError):
    """Another process works on the same data folder."""


class StartFailed(EmbeddedError):
    """A server or a step of the start ended or gave no answer in time."""
