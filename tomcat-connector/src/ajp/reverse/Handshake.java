package ajp.reverse;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;

import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The handshake of one connection: both sides prove that they know the key, before the first AJP packet. It consists of
 * three AJP packets of type {@code 0x52}. {@code len} is the length of what follows it, in two bytes:
 *
 * <pre>
 * hello      Tomcat to httpd   41 42 len 52 01  nonceT[16]  length of node[1]  node
 * challenge  httpd to Tomcat   12 34 len 52 02  nonceH[16]  HMAC-SHA-256(key, "httpd"  nonceT nonceH port node)
 * proof      Tomcat to httpd   41 42 len 52 03              HMAC-SHA-256(key, "tomcat" nonceT nonceH port node)
 * </pre>
 *
 * A recorded challenge is useless, because nonceT is new each time. {@code port} is the port connected to, in two bytes: a
 * process that has bound another port of the range cannot relay the packets to the real web server.
 */
final class Handshake {

    private static final int NONCE = 16;
    private static final int MAC = 32;
    private static final int TYPE = 0x52;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final byte[] key;
    private final byte[] node;
    private final int port;
    private final byte[] nonce = new byte[NONCE];
    private final byte[] challenge = new byte[4 + 2 + NONCE + MAC];
    private int received;

    /**
     * @param key  the same as the web server's
     * @param node the name of this Tomcat, at most 255 bytes
     * @param port the port connected to
     */
    Handshake(byte[] key, byte[] node, int port) {
        this.key = key;
        this.node = node;
        this.port = port;
        RANDOM.nextBytes(nonce);
    }

    /** Returns the packet to send first. */
    byte[] hello() {
        return packet(1, ByteBuffer.allocate(NONCE + 1 + node.length).put(nonce).put((byte) node.length).put(node));
    }

    /** Returns the buffer for the next bytes of the challenge, which is complete when none {@link ByteBuffer#remaining remain}. */
    ByteBuffer rest() {
        return ByteBuffer.wrap(challenge, received, challenge.length - received);
    }

    /** Records that this many bytes have been put there. */
    void received(int bytes) {
        received += bytes;
    }

    /** Returns the answer to the complete challenge; null if the sender does not know the key, or answers another hello. */
    byte[] proof() {
        ByteBuffer in = ByteBuffer.wrap(challenge);
        if (in.getShort() != 0x1234 || in.getShort() != challenge.length - 4 || in.get() != TYPE || in.get() != 2) {
            return null;
        }
        byte[] theirNonce = Arrays.copyOfRange(challenge, 6, 6 + NONCE);
        byte[] theirMac = Arrays.copyOfRange(challenge, 6 + NONCE, challenge.length);
        if (!MessageDigest.isEqual(theirMac, mac("httpd", theirNonce))) {
            return null;
        }
        return packet(3, ByteBuffer.allocate(MAC).put(mac("tomcat", theirNonce)));
    }

    private byte[] mac(String role, byte[] theirNonce) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            mac.update(role.getBytes(StandardCharsets.US_ASCII));
            mac.update(nonce);
            mac.update(theirNonce);
            mac.update((byte) (port >> 8));
            mac.update((byte) port);
            return mac.doFinal(node);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HmacSHA256", e);
        }
    }

    private static byte[] packet(int kind, ByteBuffer body) {
        byte[] payload = body.array();
        return ByteBuffer.allocate(6 + payload.length).put((byte) 'A').put((byte) 'B')
                .putShort((short) (2 + payload.length)).put((byte) TYPE).put((byte) kind).put(payload).array();
    }
}
