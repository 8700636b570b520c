package ajp.reverse;

/** One established connection. {@link Ports} guards {@code use}, {@code used}, {@code proved} and {@code since}. */
final class Link {

    enum Use {
        /** Nothing was ever received: the web server may not even have accepted it. */
        FRESH,
        /** Between requests. */
        IDLE,
        /** Serving a request (also an asynchronous one without a thread), or in the handshake. */
        BUSY
    }

    final Port port;

    Use use = Use.FRESH;
    /** A request, or CPING, was answered. */
    boolean used;
    /** This side has given its proof. */
    boolean proved;
    /** When it was opened, or its handshake ended. */
    long since;

    /** The handshake, until it is complete; null if there is none. Only the thread that processes the connection sets it. */
    volatile Handshake handshake;
    /** When a handshake that has begun times out. */
    long handshakeEnd;
    /** Closed by this side, so that the port is not to blame. */
    volatile boolean leaving;

    Link(Port port, long now) {
        this.port = port;
        this.since = now;
    }
}
