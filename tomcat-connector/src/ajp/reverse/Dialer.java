package ajp.reverse;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketOption;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntSupplier;

import org.apache.tomcat.util.net.SocketProperties;

/**
 * Opens the connections that {@link Ports} asks for. One thread, Tomcat's acceptor, does all of this in {@link #next}. No
 * attempt waits for another, because each is only a key in a selector.
 */
final class Dialer {

    private final Ports ports;
    private final Settings settings;
    private final SocketProperties socketProperties;
    private final Selector selector;
    private final Map<SocketChannel,Link> links = new ConcurrentHashMap<>();

    /** Guards the attempts and {@code ready}. The acceptor holds it throughout {@link #next}. */
    private final ReentrantLock dialling = new ReentrantLock();
    private final ArrayDeque<SocketChannel> ready = new ArrayDeque<>();
    private volatile boolean interrupted;
    private volatile boolean closed;

    private static final class Attempt {
        final Port port;
        final long deadline;

        Attempt(Port port, long deadline) {
            this.port = port;
            this.deadline = deadline;
        }
    }

    Dialer(Ports ports, Settings settings, SocketProperties socketProperties) throws IOException {
        this.ports = ports;
        this.settings = settings;
        this.socketProperties = socketProperties;
        this.selector = Selector.open();
    }

    /**
     * Waits until a connection is wanted and has been established.
     *
     * @param room how many more connections the endpoint accepts. No more are attempted at a time: a request that comes over
     *             a connection that the endpoint cannot serve would be lost.
     *
     * @return the connection, non-blocking; or null after {@link #interrupt}
     *
     * @throws IOException if the selector fails; a port that fails is not an error
     */
    SocketChannel next(IntSupplier room) throws IOException {
        dialling.lock();
        try {
            while (!interrupted && !closed) {
                SocketChannel channel = ready.poll();
                if (channel != null) {
                    return channel;
                }
                attempt(room.getAsInt());
                if (ready.isEmpty() && !interrupted) {
                    selector.select(pause());
                    finish();
                }
            }
            abandon();
            return null;
        } catch (ClosedSelectorException e) {
            return null;
        } finally {
            interrupted = false;
            dialling.unlock();
        }
    }

    /** Makes {@link #next} return null, in this call or the next one. */
    void interrupt() {
        interrupted = true;
        selector.wakeup();
    }

    /** Makes {@link #next} look at the ports again. */
    void wakeUp() {
        selector.wakeup();
    }

    /**
     * Closes connections that were established but not handed out, and abandons the attempts. If the acceptor does not stop
     * within a second (it may be resolving a name), it does this itself later, because it has been interrupted.
     */
    void stop() throws IOException {
        interrupt();
        try {
            if (dialling.tryLock(1, TimeUnit.SECONDS)) {
                try {
                    abandon();
                } finally {
                    dialling.unlock();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Same as {@link #stop}, permanently. */
    void close() throws IOException {
        closed = true;
        stop();
        selector.close();
    }

    // ---- opening ----

    private void attempt(int room) {
        for (int free = room - selector.keys().size(); free > 0; free--) {
            Port port = ports.take(now());
            if (port == null) {
                return;
            }
            connect(port);
        }
    }

    private void connect(Port port) {
        SocketChannel channel = null;
        try {
            channel = SocketChannel.open();
            // Before connect(): a receive buffer set later cannot widen the window.
            socketProperties.setProperties(channel.socket());
            keepAliveTimes(channel);
            channel.configureBlocking(false);
            if (channel.connect(new InetSocketAddress(port.host, port.number))) {
                established(channel, port);
            } else {
                channel.register(selector, SelectionKey.OP_CONNECT,
                        new Attempt(port, now() + settings.connectTimeout));
            }
        } catch (IOException | RuntimeException e) {
            closeQuietly(channel);
            ports.failed(port, reason(e), now());
        }
    }

    private void finish() throws IOException {
        for (SelectionKey key : selector.keys()) {
            if (!key.isValid()) {
                continue;
            }
            SocketChannel channel = (SocketChannel) key.channel();
            Attempt attempt = (Attempt) key.attachment();
            try {
                if (key.isConnectable() && channel.finishConnect()) {
                    key.cancel();
                    established(channel, attempt.port);
                } else if (now() >= attempt.deadline) {
                    throw new IOException("no answer within " + settings.connectTimeout + " ms");
                }
            } catch (IOException e) {
                key.cancel();
                closeQuietly(channel);
                ports.failed(attempt.port, reason(e), now());
            }
        }
        selector.selectedKeys().clear();
        // The channels go to another selector, so the cancelled keys must be gone.
        selector.selectNow();
    }

    private void established(SocketChannel channel, Port port) throws IOException {
        // If nobody listens, the local port that the kernel picks may be the port that is connected to.
        if (channel.getLocalAddress().equals(channel.getRemoteAddress())) {
            throw new IOException("connected to itself");
        }
        links.put(channel, ports.opened(port, now()));
        ready.add(channel);
    }

    private long pause() {
        long now = now();
        long wake = ports.nextLook(now);
        for (SelectionKey key : selector.keys()) {
            wake = Math.min(wake, ((Attempt) key.attachment()).deadline);
        }
        return Math.max(1, wake - now);
    }

    private void abandon() throws IOException {
        if (!selector.isOpen()) {
            return;
        }
        for (SelectionKey key : selector.keys()) {
            if (key.isValid()) {
                key.cancel();
                closeQuietly(key.channel());
                ports.givenUp(((Attempt) key.attachment()).port);
            }
        }
        selector.selectNow();
        for (SocketChannel channel = ready.poll(); channel != null; channel = ready.poll()) {
            closeQuietly(channel);
            link(channel).leaving = true;
            closed(channel);
        }
    }

    // ---- established connections ----

    /** Returns the entry of a connection that {@link #next} has returned; null if it is closed. */
    Link link(SocketChannel channel) {
        return channel == null ? null : links.get(channel);
    }

    /** Records that the connection was closed, by either side. A second call does nothing. */
    void closed(SocketChannel channel) {
        Link link = links.remove(channel);
        if (link != null) {
            ports.closed(link, now());
            selector.wakeup();
        }
    }

    static long now() {
        return System.nanoTime() / 1_000_000;
    }

    private static String reason(Exception e) {
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }

    private static void closeQuietly(Closeable channel) {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                // It is closed either way.
            }
        }
    }

    /**
     * A dead peer is noticed after 60 + 4 * 15 seconds rather than the kernel's two hours. By name: the constants are not in
     * every Java platform, and Java 8 has no such options.
     */
    @SuppressWarnings("unchecked")
    private static void keepAliveTimes(SocketChannel channel) throws IOException {
        for (SocketOption<?> option : channel.supportedOptions()) {
            int value;
            switch (option.name()) {
                case "TCP_KEEPIDLE":
                    value = 60;
                    break;
                case "TCP_KEEPINTERVAL":
                    value = 15;
                    break;
                case "TCP_KEEPCOUNT":
                    value = 4;
                    break;
                default:
                    continue;
            }
            channel.setOption((SocketOption<Integer>) option, Integer.valueOf(value));
        }
    }
}
