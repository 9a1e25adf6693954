"""What can be wrong with a shard set."""


class ShardError(Exception):
    """A shard set that cannot be used as asked: one line naming file, found, expected and remedy."""


class OldShardsError(ShardError):
    """A shard set of an older format, which nothing reads any more."""


class CorruptShardError(ShardError):
    """Stored bytes are not the bytes that were written."""


class StorageError(ShardError):
    """A storage that does not answer, or refuses."""
