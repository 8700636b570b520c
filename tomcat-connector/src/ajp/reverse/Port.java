package ajp.reverse;

/** One port of one web server, and how things stand with it. {@link Ports} guards all that changes. */
final class Port {

    final String host;
    final int number;
    /** Whether several processes accept here, see {@link ReverseAjpNioProtocol#setSharedPorts}. */
    final boolean shared;

    /** Connections by {@link Link.Use}; {@code pending} are not established yet. */
    int pending;
    int fresh;
    int idle;
    int busy;

    /** The pause after the last failure, in milliseconds. 0 unless the port is suspect: until it has proved good again. */
    int delay;
    /** When a suspect port may be dialled again. */
    long retryAt;
    /** Whether a suspect port has a connection that will prove it good by lasting. */
    boolean onTrial;
    long trialSince;
    long dialledAt;
    /** Whether the last handshake failed. Then lasting proves nothing, only the next handshake does. */
    boolean keyFault;

    Port(String host, int number, boolean shared) {
        this.host = host;
        this.number = number;
        this.shared = shared;
    }

    int spare() {
        return pending + fresh + (shared ? 0 : idle);
    }

    int open() {
        return pending + fresh + idle + busy;
    }

    @Override
    public String toString() {
        return host.indexOf(':') < 0 ? host + ':' + number : '[' + host + "]:" + number;
    }
}
