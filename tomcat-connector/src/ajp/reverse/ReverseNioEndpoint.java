package ajp.reverse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.NetworkChannel;
import java.nio.channels.SocketChannel;
import java.util.List;

import org.apache.juli.logging.Log;
import org.apache.tomcat.util.net.Acceptor.AcceptorState;
import org.apache.tomcat.util.net.NioChannel;
import org.apache.tomcat.util.net.NioEndpoint;
import org.apache.tomcat.util.net.SocketEvent;
import org.apache.tomcat.util.net.SocketWrapperBase;

/**
 * Tomcat's NIO endpoint with one difference: the sockets that it "accepts" are sockets that it has connected. Everything else
 * (the poller, the threads, the limits) is Tomcat's own. Only members that 9.0, 10.1 and 11.0 share are used.
 */
public final class ReverseNioEndpoint extends NioEndpoint {

    final Settings settings = new Settings();
    private volatile byte[] key;
    private volatile Ports ports;
    private volatile Dialer dialer;

    @Override
    protected Log getLog() {
        return ReverseAjpNioProtocol.LOG;
    }

    /** Returns one line for each port, for JMX: an attribute of the connector's ThreadPool bean. */
    public String getReverseStatus() {
        Ports current = ports;
        return current == null ? "" : current.status();
    }

    // ---- in place of the server socket ----

    @Override
    protected void initServerSocket() throws Exception {
        List<Port> list = settings.ports(getAddress() == null ? "" : getAddress().getHostAddress(), getPortWithOffset());
        key = settings.key();
        int wanted = list.size() * settings.spare;
        if (getMaxConnections() != -1 && getMaxConnections() < wanted) {
            getLog().warn("maxConnections=" + getMaxConnections() + " is less than the " + wanted +
                    " spare connections to " + list.size() + " ports");
        }
        ports = new Ports(settings, list);
        dialer = new Dialer(ports, settings, getSocketProperties());
    }

    @Override
    protected NetworkChannel getServerSocket() {
        return null;
    }

    /** Called at the beginning of a graceful stop, while running, and at the very end. */
    @Override
    protected void doCloseServerSocket() throws IOException {
        Dialer current = dialer;
        if (current == null) {
            return;
        }
        if (isRunning()) {
            drain();
        } else {
            dialer = null;
            current.close();
        }
    }

    /**
     * Called by the acceptor, which has counted the connection already. Tomcat would log an exception as severe, with its
     * stack trace, so an unreachable port does not cause one. null makes the acceptor check its state again.
     */
    @Override
    protected SocketChannel serverSocketAccept() throws Exception {
        return dialer.next(() -> getMaxConnections() == -1 ? Integer.MAX_VALUE : getMaxConnections() - connections.size());
    }

    @Override
    protected boolean setSocketOptions(SocketChannel socket) {
        if (socket == null) {
            countDownConnection();
            return true;
        }
        Link link = dialer.link(socket);
        if (key != null && !sendHello(socket, link)) {
            destroySocket(socket);
            return true;
        }
        if (!super.setSocketOptions(socket)) {
            return false;
        }
        SocketWrapperBase<NioChannel> wrapper = connections.get(socket);
        if (wrapper != null && ports.isFresh(link)) {
            // A connection that waits for its first request has the keep-alive timeout; connectionTimeout is for a request that has begun.
            wrapper.setReadTimeout(getKeepAliveTimeout());
        }
        return true;
    }

    private boolean sendHello(SocketChannel socket, Link link) {
        link.handshake = new Handshake(key, settings.node(), link.port.number);
        try {
            ByteBuffer hello = ByteBuffer.wrap(link.handshake.hello());
            socket.write(hello);
            // The send buffer of a new connection has room for these few bytes.
            return !hello.hasRemaining();
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    protected void destroySocket(SocketChannel socket) {
        if (socket == null) {
            countDownConnection();
            return;
        }
        super.destroySocket(socket);
        dialer.closed(socket);
    }

    /** Replaces Tomcat's own, which would connect to the server socket. */
    @Override
    protected void unlockAccept() {
        Dialer current = dialer;
        if (current == null || acceptor == null || acceptor.getState() != AcceptorState.RUNNING) {
            return;
        }
        current.interrupt();
        long end = Dialer.now() + 1000;
        try {
            while (acceptor.getState() == AcceptorState.RUNNING && Dialer.now() < end) {
                Thread.sleep(1);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Closes the spare connections as well: the web server must notice that before it sends a request. */
    @Override
    public void pause() {
        super.pause();
        drain();
    }

    private void drain() {
        if (!isRunning()) {
            return;
        }
        try {
            dialer.stop();
        } catch (IOException e) {
            getLog().warn("cannot abandon the connections that are being opened", e);
        }
        for (SocketWrapperBase<NioChannel> wrapper : getConnections()) {
            Link link = link(wrapper);
            if (link != null && !ports.isBusy(link)) {
                link.leaving = true;
                processSocket(wrapper, SocketEvent.DISCONNECT, true);
            }
        }
    }

    // ---- for the handler and the processor ----

    @Override
    public void setHandler(Handler<NioChannel> handler) {
        super.setHandler(new TrackingHandler(this, handler));
    }

    Link link(SocketWrapperBase<?> wrapper) {
        Dialer current = dialer;
        Object channel = wrapper.getSocket();
        return current == null || channel == null ? null : current.link(((NioChannel) channel).getIOChannel());
    }

    boolean isBusy(Link link) {
        return ports.isBusy(link);
    }

    void busy(Link link) {
        if (ports.busy(link)) {
            wakeDialer();
        }
    }

    void idle(Link link) {
        ports.idle(link);
    }

    void accepted(Link link) {
        ports.accepted(link, Dialer.now());
    }

    void refuse(Link link, String why) {
        ports.refuse(link, why, Dialer.now());
    }

    void served(SocketWrapperBase<?> wrapper) {
        Link link = link(wrapper);
        if (link != null) {
            ports.served(link);
        }
    }

    void released(NioChannel channel) {
        Dialer current = dialer;
        if (current != null && channel != null && channel.getIOChannel() != null) {
            current.closed(channel.getIOChannel());
        }
    }

    private void wakeDialer() {
        Dialer current = dialer;
        if (current != null) {
            current.wakeUp();
        }
    }
}
