package ajp.reverse;

/** One port of one web server, and its state. {@link Ports} guards everything that changes. */
final class Port {

    final String host;
    final int number;
    /** Whether several processes accept here, see {@link ReverseAjpNioProtocol#setSharedPorts}. */
    final boolean shared;

    /** The number of connections by {@link Link.Use}; {@code pending} ones are not established yet. */
    int pending;
    int fresh;
    int idle;
    int busy;

    /** The pause after the last failure, in milliseconds. Not 0 while the port is suspect. */
    int delay;
    /** When a suspect port may be tried again. */
    long retryAt;
    /** Whether a suspect port has a connection that proves it good by staying open. */
    boolean onTrial;
    long trialSince;
    long dialledAt;
    /** Whether the last handshake failed. Then only the next handshake proves the port good; staying open does not. */
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
