package ajp.reverse;

import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

import org.apache.juli.logging.Log;

/**
 * Decides which port is connected to next, and when; counts all connections, and uses no socket. Every method may be called
 * by any thread. {@code now} is in milliseconds, of a clock that never goes back.
 *
 * <p>Each port has {@code spare} spare connections. A port that refuses, does not answer, or closes a connection before it
 * was used is suspect: it is tried again after pauses that grow, with one connection on trial. It is good again when a
 * request has been served, or when a connection has stayed open for a while. It is called available when the web server has
 * used a connection, or when one has stayed open for a while after its handshake, and not before.
 */
final class Ports {

    /** A connection that the other side closes within this time, without having used it, was refused. */
    static final long REJECT_MILLIS = 1000;

    /** One that is closed within this time after the handshake was refused: httpd gives a handshake as long. */
    static final long SETTLE_MILLIS = 5000;

    static final String WAITING = "connected, waiting for httpd";
    static final String AVAILABLE = "is available";
    private static final String UNREACHABLE = "unreachable";

    private static final Log log = ReverseAjpNioProtocol.LOG;

    private final Settings settings;
    private final List<Port> ports;

    Ports(Settings settings, List<Port> ports) {
        this.settings = settings;
        this.ports = ports;
    }

    // ---- for the thread that connects ----

    /**
     * Takes the port that most needs a connection: the one with the fewest spare connections, then with the fewest
     * connections, which spreads them over the ports. {@link #opened}, {@link #failed} or {@link #givenUp} must follow.
     *
     * @return null if no port needs one now
     */
    synchronized Port take(long now) {
        Port best = null;
        for (Port port : ports) {
            if (port.proved && now - port.provedAt >= SETTLE_MILLIS) {
                markAvailable(port);
            } else if (port.onTrial && !port.keyFault && now - port.trialSince >= REJECT_MILLIS) {
                markConnected(port);
            }
            int wanted = port.delay > 0 ? 1 : settings.spare;
            if (port.spare() >= wanted || port.delay > 0 && now < port.retryAt) {
                continue;
            }
            if (best == null || port.spare() < best.spare() ||
                    port.spare() == best.spare() && port.open() < best.open()) {
                best = port;
            }
        }
        if (best != null) {
            best.pending++;
            best.dialledAt = now;
            if (best.delay > 0) {
                // Its connection on trial is busy as soon as it receives anything, even its end; that must not open a second.
                best.retryAt = now + best.delay;
            }
        }
        return best;
    }

    /** When {@link #take} is to be called again if nothing else happens. */
    synchronized long nextLook(long now) {
        long next = now + 1000;
        for (Port port : ports) {
            if (port.delay > 0 && port.retryAt > now) {
                next = Math.min(next, port.retryAt);
            }
            if (port.onTrial && !port.keyFault) {
                next = Math.min(next, port.trialSince + REJECT_MILLIS);
            }
            if (port.proved) {
                next = Math.min(next, port.provedAt + SETTLE_MILLIS);
            }
        }
        return next;
    }

    synchronized Link opened(Port port, long now) {
        port.pending--;
        port.fresh++;
        if (port.delay > 0 || port.said.isEmpty() && !port.onTrial) {
            port.onTrial = true;
            port.trialSince = now;
        }
        return new Link(port, now);
    }

    synchronized void failed(Port port, String why, long now) {
        port.pending--;
        boolean isNew = port.said.isEmpty() || port.said.equals(WAITING) || port.said.equals(AVAILABLE);
        if (isNew) {
            port.said = UNREACHABLE;
        }
        suspect(port, why, isNew, now);
    }

    /** Records that this side stopped the attempt. */
    synchronized void givenUp(Port port) {
        port.pending--;
    }

    // ---- for the threads that process connections ----

    synchronized boolean isBusy(Link link) {
        return link.use == Link.Use.BUSY;
    }

    synchronized boolean isFresh(Link link) {
        return link.use == Link.Use.FRESH;
    }

    /**
     * Records that something has been received.
     *
     * @return whether its port now has too few spare connections
     */
    synchronized boolean busy(Link link) {
        move(link, Link.Use.BUSY);
        return link.port.spare() < settings.spare;
    }

    /** Records that a packet was answered and the next may come. */
    synchronized void idle(Link link) {
        served(link);
        move(link, Link.Use.IDLE);
    }

    /** Records that a request was served, whether or not the connection is still open. */
    synchronized void served(Link link) {
        link.used = true;
        if (!link.port.keyFault) {
            markAvailable(link.port);
        }
    }

    /** Records that the handshake has succeeded. The web server may still not use the connection. */
    synchronized void accepted(Link link, long now) {
        Port port = link.port;
        link.since = now;
        link.proved = true;
        move(link, Link.Use.IDLE);
        if (!port.proved) {
            port.proved = true;
            port.provedAt = now;
        }
        if (port.keyFault) {
            log.info(port + ": the handshake succeeds again");
            port.keyFault = false;
            port.onTrial = true;
            port.trialSince = now;
        }
    }

    /** Records that this side refuses the connection because of what came in the handshake, and is about to close it. */
    synchronized void refuse(Link link, String why, long now) {
        Port port = link.port;
        if (!port.keyFault) {
            log.warn(port + " " + why + "; no requests are accepted from it until a handshake succeeds");
        }
        link.leaving = true;
        port.keyFault = true;
        port.said = why;
        suspect(port, why, false, now);
    }

    synchronized void closed(Link link, long now) {
        move(link, null);
        if (link.leaving) {
            return;
        }
        if (!isRefusal(link, now)) {
            retryPortsOfHostSoon(link.port.host, now);
            return;
        }
        String why = whyRefused(link);
        boolean isNew = !why.equals(link.port.said);
        link.port.said = why;
        suspect(link.port, why, isNew, now);
    }

    // ---- the state of a port ----

    /** Returns whether the web server closed the connection because it does not want it. Notes what is no refusal yet. */
    private static boolean isRefusal(Link link, long now) {
        if (link.used || link.proved) {
            return !link.used && now - link.since < SETTLE_MILLIS;
        }
        Port port = link.port;
        if (!port.closedUnused) {
            port.closedUnused = true;
            port.closedUnusedAt = now;
        }
        return now - link.since < REJECT_MILLIS || link.since >= port.closedUnusedAt;
    }

    /** Returns what httpd's configuration and this connector's can differ in when such a connection is closed. */
    private String whyRefused(Link link) {
        if (link.proved) {
            return "it closes connections after the handshake: node= of its ProxyAjpReverse is probably not \"" +
                    settings.nodeName + "\"; its error log says why";
        }
        String key = settings.keyFile == null ? "it has keyfile= and keyFile is missing here" : "keyfile= is missing there";
        return "it closes connections before using them: allow= of its ProxyAjpReverse does not include this machine, or " +
                key + "; its error log says which";
    }

    /** {@code isNew}: the reason is logged for the administrator. */
    private void suspect(Port port, String why, boolean isNew, long now) {
        if (isNew) {
            String line = port + " is not available (" + why + "); retrying at intervals of up to " + settings.backoffMax +
                    " ms";
            if (port.said.equals(UNREACHABLE)) {
                log.info(line);
            } else {
                log.warn(line);
            }
        } else if (log.isDebugEnabled()) {
            log.debug(port + " is still not available: " + why);
        }
        port.delay = port.delay == 0 ? settings.backoffMin : (int) Math.min(2L * port.delay, settings.backoffMax);
        int half = port.delay / 2;
        port.retryAt = now + port.delay - ThreadLocalRandom.current().nextInt(half + 1);
        // A connection that is still open may prove the port good.
        port.onTrial = port.fresh + port.idle > 0;
        port.trialSince = now;
        port.proved = false;
    }

    /** Notes that the port accepts connections. */
    private static void markConnected(Port port) {
        port.delay = 0;
        port.onTrial = false;
        if (!port.proved && (port.said.isEmpty() || port.said.equals(UNREACHABLE))) {
            port.said = WAITING;
            log.info(port + ": " + WAITING);
        }
    }

    /** Notes that the web server uses connections of the port. */
    private static void markAvailable(Port port) {
        port.delay = 0;
        port.onTrial = false;
        port.proved = false;
        port.closedUnused = false;
        if (!port.said.equals(AVAILABLE)) {
            port.said = AVAILABLE;
            log.info(port + " " + AVAILABLE);
        }
    }

    /** Makes the suspect ports of a host due soon: where one process of a web server has ended, another may start. */
    private void retryPortsOfHostSoon(String host, long now) {
        for (Port port : ports) {
            if (port.delay > 0 && port.host.equals(host)) {
                port.retryAt = Math.min(port.retryAt, Math.max(now + settings.backoffMin, port.dialledAt + 1000));
            }
        }
    }

    private static void move(Link link, Link.Use to) {
        count(link.port, link.use, -1);
        link.use = to;
        count(link.port, to, 1);
    }

    private static void count(Port port, Link.Use use, int n) {
        if (use == Link.Use.FRESH) {
            port.fresh += n;
        } else if (use == Link.Use.IDLE) {
            port.idle += n;
        } else if (use == Link.Use.BUSY) {
            port.busy += n;
        }
    }

    /** Returns one line for each port. */
    synchronized String status() {
        StringBuilder text = new StringBuilder();
        for (Port port : ports) {
            text.append(port).append(" pending=").append(port.pending).append(" fresh=").append(port.fresh)
                    .append(" idle=").append(port.idle).append(" busy=").append(port.busy).append(" backoff=")
                    .append(port.delay).append('\n');
        }
        return text.toString();
    }
}
