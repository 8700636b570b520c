package ajp.reverse;

/** One established connection. {@link Ports} guards {@code use}, {@code served} and {@code since}. */
final class Link {

    enum Use {
        /** Nothing was ever received: the web server may not even have accepted it. */
        FRESH,
        /** Between requests. */
        IDLE,
        /** Serving a request, be it an asynchronous one that no thread works at, or in the handshake. */
        BUSY
    }

    final Port port;

    Use use = Use.FRESH;
    boolean served;
    /** When it was opened, or its handshake ended. */
    long since;

    /** The handshake still to be done; null if none is. Only the thread that processes the connection changes it. */
    volatile Handshake handshake;
    /** When a handshake that has begun must have ended. */
    long handshakeEnd;
    /** Closed by this side, which says nothing about the port. */
    volatile boolean leaving;

    Link(Port port, long now) {
        this.port = port;
        this.since = now;
    }
}
