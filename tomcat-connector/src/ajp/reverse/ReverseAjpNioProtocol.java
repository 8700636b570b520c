package ajp.reverse;

import org.apache.coyote.Processor;
import org.apache.coyote.ajp.AbstractAjpProtocol;
import org.apache.juli.logging.Log;
import org.apache.juli.logging.LogFactory;
import org.apache.tomcat.util.net.NioChannel;

/**
 * An AJP/1.3 connector that opens the TCP connections to the web server itself. The web server accepts them and then sends its
 * requests over them as usual.
 *
 * <pre>{@code
 * <Connector protocol="ajp.reverse.ReverseAjpNioProtocol" address="10.0.0.5" port="9100"
 *            keyFile="conf/node1.key" nodeName="node1" secretRequired="false" />
 * }</pre>
 *
 * {@code address} and {@code port} are the web server's. Every attribute of Tomcat's own AJP connector that is not about
 * listening keeps its meaning. All numbers are checked when the connector is initialised, which fails if one is wrong.
 */
public class ReverseAjpNioProtocol extends AbstractAjpProtocol<NioChannel> {

    /** The logger of all classes here, so that one line of logging.properties controls them. */
    static final Log LOG = LogFactory.getLog(ReverseAjpNioProtocol.class);

    private final ReverseNioEndpoint endpoint;
    private final Settings settings;

    /** Called by Tomcat when it reads {@code <Connector protocol="...">}. */
    public ReverseAjpNioProtocol() {
        this(new ReverseNioEndpoint());
    }

    private ReverseAjpNioProtocol(ReverseNioEndpoint endpoint) {
        super(endpoint);
        this.endpoint = endpoint;
        this.settings = endpoint.settings;
        // The web server decides when to use an idle connection, so only the web server may close one: if this side did, that
        // could race with the next request. Tomcat's default for this timeout is connectionTimeout.
        setKeepAliveTimeout(-1);
        // No request is sent over a half-open connection, so nothing else would notice it.
        endpoint.getSocketProperties().setSoKeepAlive(true);
    }

    @Override
    protected Log getLog() {
        return LOG;
    }

    @Override
    protected Processor createProcessor() {
        return new ReverseAjpProcessor(this, getAdapter(), endpoint);
    }

    @Override
    protected String getNamePrefix() {
        return "ajp-reverse-nio";
    }

    /**
     * Several web servers, instead of {@code address}: {@code host[:port[-port]],...}. A host without ports has those of
     * {@code port} and {@code portRange}; an IPv6 address is written in brackets. Names are resolved at each attempt.
     *
     * @param remote the list; null, the default, for {@code address}
     */
    public void setRemote(String remote) {
        settings.remote = remote;
    }

    public String getRemote() {
        return settings.remote;
    }

    /**
     * How many consecutive ports to connect to, from {@code port} on. A port that nobody listens on is tried again at intervals.
     *
     * @param ports 1 or more, up to port 65535; 1 by default
     */
    public void setPortRange(int ports) {
        settings.portRange = ports;
    }

    public int getPortRange() {
        return settings.portRange;
    }

    /**
     * How many spare connections to keep to each port that answers.
     *
     * @param connections 1 to 1000; 2 by default
     */
    public void setSpare(int connections) {
        settings.spare = connections;
    }

    public int getSpare() {
        return settings.spare;
    }

    /**
     * Whether several processes of the web server accept from the same port. If so, the others cannot use a connection that
     * one of them has used, and only a connection that has received nothing yet is spare; if not, any idle one is.
     *
     * @param shared by default true for a host with one port, false for one with a range
     */
    public void setSharedPorts(boolean shared) {
        settings.sharedPorts = Boolean.valueOf(shared);
    }

    public boolean getSharedPorts() {
        return settings.shared(settings.portRange);
    }

    /**
     * The timeout of one attempt to connect, and of the handshake from its first byte.
     *
     * @param millis milliseconds, 1 to 600000; 3000 by default
     */
    public void setConnectTimeout(int millis) {
        settings.connectTimeout = millis;
    }

    public int getConnectTimeout() {
        return settings.connectTimeout;
    }

    /**
     * The first pause before a port that failed is tried again. Each further failure doubles it. Up to half of the pause is
     * random.
     *
     * @param millis milliseconds, 1 or more; 100 by default
     */
    public void setBackoffMin(int millis) {
        settings.backoffMin = millis;
    }

    public int getBackoffMin() {
        return settings.backoffMin;
    }

    /**
     * The longest pause before a port that failed is tried again.
     *
     * @param millis milliseconds, from {@code backoffMin} to 3600000; 5000 by default
     */
    public void setBackoffMax(int millis) {
        settings.backoffMax = millis;
    }

    public int getBackoffMax() {
        return settings.backoffMax;
    }

    /**
     * The file with the key of the {@link Handshake}. The key is its bytes without line ends at the end.
     *
     * @param path relative to {@code catalina.base}; null, the default, for no handshake
     */
    public void setKeyFile(String path) {
        settings.keyFile = path;
    }

    public String getKeyFile() {
        return settings.keyFile;
    }

    /**
     * The name that identifies this Tomcat in the handshake; it is sent unencrypted.
     *
     * @param name at most 255 bytes of UTF-8; empty by default
     */
    public void setNodeName(String name) {
        settings.nodeName = name;
    }

    public String getNodeName() {
        return settings.nodeName;
    }
}
