"""Bytes taken one after the other, never more than there are."""

from striate.toolboxes.graph import ToolboxError


class ByteStream:
    """The bytes of a file and a place in them."""

    def __init__(self, content: bytes | memoryview) -> None:
        self.content, self.at = memoryview(content), 0

    def take(self, count: int) -> memoryview:
        """The next bytes. Raises `ToolboxError` before anything of their size is made."""
        left = len(self.content) - self.at
        if not 0 <= count <= left:
            raise ToolboxError(
                f"At byte {self.at:,} {count:,} bytes are announced; {left:,} are left."
            )
        found = self.content[self.at : self.at + count]
        self.at += count
        return found
