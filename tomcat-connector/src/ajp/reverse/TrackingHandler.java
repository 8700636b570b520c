package ajp.reverse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.Set;

import org.apache.tomcat.util.net.AbstractEndpoint.Handler;
import org.apache.tomcat.util.net.NioChannel;
import org.apache.tomcat.util.net.SocketEvent;
import org.apache.tomcat.util.net.SocketWrapperBase;

/**
 * Wraps Tomcat's own connection handler: does the handshake, then passes everything on, and tells {@link Ports} when a
 * connection becomes busy, idle and closed.
 */
final class TrackingHandler implements Handler<NioChannel> {

    private final ReverseNioEndpoint endpoint;
    private final Handler<NioChannel> next;

    TrackingHandler(ReverseNioEndpoint endpoint, Handler<NioChannel> next) {
        this.endpoint = endpoint;
        this.next = next;
    }

    /** Tomcat never calls this for one connection from two threads at once. */
    @Override
    public SocketState process(SocketWrapperBase<NioChannel> wrapper, SocketEvent event) {
        Link link = endpoint.link(wrapper);
        if (link == null) {
            return next.process(wrapper, event);
        }
        if (event == SocketEvent.DISCONNECT && link.leaving && endpoint.isBusy(link)) {
            // It was idle when it was told to close, but an asynchronous request came first. The end of that request closes it.
            return SocketState.LONG;
        }
        endpoint.busy(link);
        if (link.handshake != null && event == SocketEvent.OPEN_READ) {
            return readChallenge(wrapper, link);
        }
        SocketState state = next.process(wrapper, event);
        if (state == SocketState.OPEN) {
            // After a CPING, AjpProcessor leaves connectionTimeout in force.
            wrapper.setReadTimeout(endpoint.getKeepAliveTimeout());
            endpoint.idle(link);
            return unlessPaused(link);
        }
        return state;
    }

    /**
     * Returns the state for a connection that has just become idle.
     *
     * <p>Race: {@link ReverseNioEndpoint#pause} sets the state, then closes the idle connections. A connection that
     * becomes idle after that sees the state here.
     */
    private SocketState unlessPaused(Link link) {
        if (endpoint.isPaused()) {
            link.leaving = true;
            return SocketState.CLOSED;
        }
        return SocketState.OPEN;
    }

    /** Reads what has arrived of the challenge. Blocks no thread, however slowly it arrives. */
    private SocketState readChallenge(SocketWrapperBase<NioChannel> wrapper, Link link) {
        Handshake handshake = link.handshake;
        try {
            for (ByteBuffer rest = handshake.rest(); rest.hasRemaining(); rest = handshake.rest()) {
                int read = wrapper.read(false, rest.array(), rest.position(), rest.remaining());
                if (read < 0) {
                    return SocketState.CLOSED;
                }
                if (read == 0) {
                    return awaitRest(wrapper, link);
                }
                handshake.received(read);
            }
            byte[] proof = handshake.proof();
            if (proof == null) {
                endpoint.refuse(link, "does not prove that it knows the key: keyfile= of its ProxyAjpReverse " +
                        "and keyFile have different keys, or something in between changes the port");
                return SocketState.CLOSED;
            }
            if (wrapper.isReadyForRead()) {
                // Nothing may come before the proof: it would be taken for a packet of a peer that knows the key.
                endpoint.refuse(link, "sent more data before it had received the proof");
                return SocketState.CLOSED;
            }
            wrapper.write(true, proof, 0, proof.length);
            wrapper.flush(true);
        } catch (IOException e) {
            return SocketState.CLOSED;
        }
        link.handshake = null;
        wrapper.setReadTimeout(endpoint.getKeepAliveTimeout());
        endpoint.accepted(link);
        wrapper.registerReadInterest();
        return unlessPaused(link);
    }

    private SocketState awaitRest(SocketWrapperBase<NioChannel> wrapper, Link link) {
        long now = Dialer.now();
        if (link.handshakeEnd == 0) {
            link.handshakeEnd = now + endpoint.settings.connectTimeout;
        }
        long left = link.handshakeEnd - now;
        if (left <= 0) {
            return SocketState.CLOSED;
        }
        wrapper.setReadTimeout(left);
        wrapper.registerReadInterest();
        return SocketState.OPEN;
    }

    @Override
    public void release(SocketWrapperBase<NioChannel> wrapper) {
        NioChannel channel = wrapper.getSocket();
        next.release(wrapper);
        endpoint.released(channel);
    }

    @Override
    public Object getGlobal() {
        return next.getGlobal();
    }

    @Override
    public void pause() {
        next.pause();
    }

    @Override
    public void recycle() {
        next.recycle();
    }

    /** Part of the interface in Tomcat 9 only, which does not call it; hence no {@code @Override}. */
    @SuppressWarnings("deprecation")
    public Set<NioChannel> getOpenSockets() {
        return Collections.emptySet();
    }
}
