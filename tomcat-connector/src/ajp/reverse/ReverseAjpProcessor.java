package ajp.reverse;

import java.io.IOException;

import org.apache.coyote.Adapter;
import org.apache.coyote.ajp.AbstractAjpProtocol;
import org.apache.coyote.ajp.AjpProcessor;
import org.apache.tomcat.util.net.AbstractEndpoint.Handler.SocketState;
import org.apache.tomcat.util.net.SocketWrapperBase;

/**
 * Tomcat's own AJP processor, with two additions. It tells the endpoint which connections have served a request. And it
 * releases the thread after an asynchronous request: Tomcat's own processor then waits for a further packet with a blocking
 * read (9.0 to 11.0), so that each idle connection could hold a thread.
 */
final class ReverseAjpProcessor extends AjpProcessor {

    private final ReverseNioEndpoint endpoint;
    private boolean dispatched;

    ReverseAjpProcessor(AbstractAjpProtocol<?> protocol, Adapter adapter, ReverseNioEndpoint endpoint) {
        super(protocol, adapter);
        this.endpoint = endpoint;
    }

    @Override
    protected SocketState dispatchEndRequest() {
        dispatched = true;
        return super.dispatchEndRequest();
    }

    @Override
    public SocketState service(SocketWrapperBase<?> socket) throws IOException {
        boolean afterDispatch = dispatched;
        dispatched = false;
        if (afterDispatch && !socket.isReadyForRead()) {
            return SocketState.OPEN;
        }
        // The returned state does not tell: it is also CLOSED if httpd closes the connection right after its last response.
        int before = request.getRequestProcessor().getRequestCount();
        try {
            return super.service(socket);
        } finally {
            if (request.getRequestProcessor().getRequestCount() != before) {
                endpoint.served(socket);
            }
        }
    }
}
