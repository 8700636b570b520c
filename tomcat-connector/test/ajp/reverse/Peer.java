package ajp.reverse;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;

import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** One accepted connection, seen from httpd: writes and reads packets with code of its own, not the connector's. */
final class Peer implements Closeable {

    /** CPING and CPONG as the AJP/1.3 reference has them. */
    private static final String CPING = "12 34 00 01 0a";
    private static final String CPONG = "41 42 00 01 09";

    /** How long anything that must happen may take: only what hangs takes that long, on however slow a machine. */
    static final int DEADLINE_MILLIS = 60_000;

    private final Socket socket;
    private final DataInputStream in;
    /** From the hello of the connector. */
    byte[] nonceT;
    String node;

    Peer(Socket socket) throws IOException {
        this.socket = socket;
        this.in = new DataInputStream(socket.getInputStream());
        socket.setSoTimeout(DEADLINE_MILLIS);
        socket.setTcpNoDelay(true);
    }

    int port() {
        return socket.getLocalPort();
    }

    void send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
    }

    /** Payload of the next packet from Tomcat. */
    byte[] receive() throws IOException {
        int magic = in.readUnsignedShort();
        if (magic != 0x4142) {
            throw new IOException("a packet from Tomcat begins with " + Integer.toHexString(magic));
        }
        byte[] payload = new byte[in.readUnsignedShort()];
        in.readFully(payload);
        return payload;
    }

    // ---- handshake ----

    void readHello() throws IOException {
        byte[] hello = receive();
        if (hello[0] != 0x52 || hello[1] != 1) {
            throw new IOException("not a hello: " + hex(hello));
        }
        nonceT = java.util.Arrays.copyOfRange(hello, 2, 18);
        node = new String(hello, 19, hello[18], StandardCharsets.UTF_8);
        if (hello.length != 19 + hello[18]) {
            throw new IOException("a hello with " + hello.length + " bytes");
        }
    }

    /** The challenge for the hello that was read, as for another port if need be. */
    byte[] challenge(String key, byte[] nonceH, int port) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(bytes("12 34 00 32 52 02"));
        out.write(nonceH);
        out.write(mac(key, "httpd", nonceH, port));
        return out.toByteArray();
    }

    /** The whole handshake with the right key. */
    Peer shakeHands(String key) throws Exception {
        readHello();
        byte[] nonceH = nonce(7);
        send(challenge(key, nonceH, port()));
        readProof(key, nonceH);
        return this;
    }

    void readProof(String key, byte[] nonceH) throws Exception {
        byte[] proof = receive();
        byte[] expected = mac(key, "tomcat", nonceH, port());
        if (!hex(proof).equals("52 03 " + hex(expected))) {
            throw new IOException("wrong proof: " + hex(proof));
        }
    }

    static byte[] nonce(int fill) {
        byte[] nonce = new byte[16];
        java.util.Arrays.fill(nonce, (byte) fill);
        return nonce;
    }

    private byte[] mac(String key, String role, byte[] nonceH, int port) throws Exception {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        text.write(role.getBytes(StandardCharsets.US_ASCII));
        text.write(nonceT);
        text.write(nonceH);
        text.write(port >> 8);
        text.write(port);
        text.write(node.getBytes(StandardCharsets.UTF_8));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        return mac.doFinal(text.toByteArray());
    }

    // ---- AJP ----

    void ping() throws IOException {
        send(bytes(CPING));
        byte[] pong = new byte[5];
        in.readFully(pong);
        if (!hex(pong).equals(CPONG)) {
            throw new IOException("no CPONG but " + hex(pong));
        }
    }

    void sendGet(String uri) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(2); // FORWARD_REQUEST
        out.write(2); // GET
        string(out, "HTTP/1.1");
        string(out, uri);
        string(out, "192.0.2.1");
        out.write(bytes("ff ff")); // no remote host
        string(out, "localhost");
        out.write(bytes("00 50 00 00 01 a0 0b")); // port 80, no TLS, one header: Host
        string(out, "localhost");
        out.write(0xff);
        byte[] payload = out.toByteArray();
        send(bytes(String.format("12 34 %02x %02x", payload.length >> 8, payload.length & 0xff)));
        send(payload);
    }

    private static void string(ByteArrayOutputStream out, String s) throws IOException {
        out.write(0);
        out.write(s.length());
        out.write(s.getBytes(StandardCharsets.US_ASCII));
        out.write(0);
    }

    /** Reads a whole response: "STATUS BODY", with " close" behind it if it has reuse = 0. */
    String response() throws IOException {
        StringBuilder text = new StringBuilder();
        while (true) {
            byte[] packet = receive();
            switch (packet[0]) {
                case 4: // SEND_HEADERS
                    text.append((packet[1] & 0xff) << 8 | packet[2] & 0xff).append(' ');
                    break;
                case 3: // SEND_BODY_CHUNK
                    int length = (packet[1] & 0xff) << 8 | packet[2] & 0xff;
                    text.append(new String(packet, 3, length, StandardCharsets.UTF_8));
                    break;
                case 5: // END_RESPONSE
                    return text.append(packet[1] == 1 ? "" : " close").toString();
                default:
                    throw new IOException("unexpected packet " + hex(packet));
            }
        }
    }

    String get(String uri) throws IOException {
        sendGet(uri);
        return response();
    }

    /** Waits until Tomcat has closed it. */
    boolean isClosedByTomcat() throws IOException {
        return isClosedByTomcat(DEADLINE_MILLIS);
    }

    /** Whether Tomcat closes it within this time, in which it should not. */
    boolean isClosedByTomcat(int millis) throws IOException {
        socket.setSoTimeout(millis);
        try {
            return in.read() < 0;
        } catch (EOFException | SocketException e) {
            return true;
        } catch (SocketTimeoutException e) {
            return false;
        } finally {
            socket.setSoTimeout(DEADLINE_MILLIS);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    static byte[] bytes(String hex) {
        String[] words = hex.split(" ");
        byte[] bytes = new byte[words.length];
        for (int i = 0; i < words.length; i++) {
            bytes[i] = (byte) Integer.parseInt(words[i], 16);
        }
        return bytes;
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(text.length() == 0 ? "" : " ").append(String.format("%02x", b & 0xff));
        }
        return text.toString();
    }
}
