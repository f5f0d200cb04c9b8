"""Find the ClientHello in what a client sends, within bounds and in linear time even byte by byte (RFC 8446, sections 4 and 5.1)."""

# A ClientHello with everything that is known has some 4 KB; in bytes, its records' heads included.
LONGEST = 16 << 10

HANDSHAKE, CLIENT_HELLO = 22, 1
RECORD_HEAD, MESSAGE_HEAD = 5, 4


class HelloError(Exception):
    """The bytes are not a ClientHello; the message says why."""


class HelloReader:
    """Buffers the bytes, and examines each only once."""

    def __init__(self) -> None:
        self.held = bytearray()
        self._next = 0
        """Where the next record begins."""
        self._head = bytearray()
        """Of the message."""
        self._size = 0
        """Of the message as far as it came in whole records."""

    def read(self, data: bytes) -> bool:
        """Is the message whole with these bytes? Raises HelloError."""
        self.held += data
        while len(self.held) >= self._next + RECORD_HEAD:
            begin = self._next + RECORD_HEAD
            kind, major, size = self.held[self._next], self.held[self._next + 1], self.held[begin - 2 : begin]
            length = int.from_bytes(size)
            if kind != HANDSHAKE or major != 3 or not length:
                raise HelloError("it is not a TLS handshake")
            if begin + length > LONGEST:
                break
            if begin + length > len(self.held):
                return False
            self._next = begin + length
            self._size += length
            if len(self._head) < MESSAGE_HEAD:
                self._head += self.held[begin : begin + min(length, MESSAGE_HEAD - len(self._head))]
            if self._head[0] != CLIENT_HELLO:
                raise HelloError("it does not begin with a ClientHello")
            if len(self._head) == MESSAGE_HEAD and self._size >= MESSAGE_HEAD + int.from_bytes(self._head[1:]):
                return True
        if len(self.held) > LONGEST or (len(self.held) >= self._next + RECORD_HEAD):
            raise HelloError(f"its ClientHello is larger than {LONGEST:,} bytes")
        return False
