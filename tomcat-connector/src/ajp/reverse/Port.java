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
    /** Whether there is a connection that shows, by staying open, that the port accepts. */
    boolean onTrial;
    long trialSince;
    long dialledAt;
    /** Whether there was a handshake whose connection shows, by staying open, that the web server uses the port. */
    boolean proved;
    long provedAt;
    /**
     * Whether, and when, the web server first closed a connection that had waited unused for a while, as it does once at its
     * end. One that was opened later shall not end like that.
     */
    boolean closedUnused;
    long closedUnusedAt;
    /** Whether the last handshake failed. Then only the next handshake proves the port good; staying open does not. */
    boolean keyFault;
    /** The last line that was logged: {@link Ports#WAITING} and the like, or the reason why the port refuses connections. */
    String said = "";

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
