package ajp.reverse;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** One listening port of httpd on the loopback address. Accepts everything, and hands it out in that order. */
final class FrontEnd implements Closeable {

    private final ServerSocket listener = new ServerSocket();
    private final BlockingQueue<Socket> accepted = new LinkedBlockingQueue<>();
    private final Thread thread = new Thread(this::accept, "front end");
    final AtomicInteger count = new AtomicInteger();
    private volatile boolean closesAtOnce;

    FrontEnd(int port) throws IOException {
        listener.setReuseAddress(true);
        listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        thread.setDaemon(true);
        thread.start();
    }

    /** As many consecutive ports that nobody listens on, below those the kernel picks for outgoing connections. */
    static int freePorts(int n) throws IOException {
        for (int first = 11000 + (int) (Math.random() * 15000);; first += n) {
            int port = first;
            while (port < first + n && isFree(port)) {
                port++;
            }
            if (port == first + n) {
                return first;
            }
        }
    }

    private static boolean isFree(int port) {
        try (ServerSocket probe = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    void closeAtOnce(boolean on) {
        closesAtOnce = on;
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = listener.accept();
                count.incrementAndGet();
                if (closesAtOnce) {
                    socket.close();
                } else {
                    accepted.add(socket);
                }
            }
        } catch (IOException e) {
            // closed
        }
    }

    int port() {
        return listener.getLocalPort();
    }

    /** The next connection that came in. */
    Peer next() throws Exception {
        Socket socket = accepted.poll(Peer.DEADLINE_MILLIS, TimeUnit.MILLISECONDS);
        if (socket == null) {
            throw new AssertionError("no connection came in");
        }
        return new Peer(socket);
    }

    /** How many came in that {@link #next} has not handed out. */
    int waiting() {
        return accepted.size();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        try {
            // The port is free only when the thread has left accept().
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        for (Socket socket = accepted.poll(); socket != null; socket = accepted.poll()) {
            socket.close();
        }
    }
}
