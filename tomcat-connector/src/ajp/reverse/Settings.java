package ajp.reverse;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * The attributes of the connector, unchecked. {@link #ports} and {@link #key} check what they use. (After an exception in a
 * setter, Tomcat would log a warning and use the default; after one while the connector is initialised, the connector fails.)
 */
final class Settings {

    /** Anybody who has recorded one handshake could guess a shorter key. */
    private static final int SHORTEST_KEY = 16;

    volatile String remote;
    volatile int portRange = 1;
    volatile int spare = 2;
    volatile Boolean sharedPorts;
    volatile int connectTimeout = 3000;
    volatile int backoffMin = 100;
    volatile int backoffMax = 5000;
    volatile String keyFile;
    volatile String nodeName = "";

    /** Whether the ports of a host with this many of them are shared by its processes. */
    boolean shared(int portsOfHost) {
        Boolean set = sharedPorts;
        return set == null ? portsOfHost == 1 : set.booleanValue();
    }

    /**
     * Returns the ports to connect to.
     *
     * @param address the host, unless {@code remote} is set
     * @param port    the first port, where {@code remote} has none
     *
     * @throws IllegalArgumentException for any attribute out of its range; the message names it
     */
    List<Port> ports(String address, int port) {
        check("spare", spare, 1, 1000);
        check("connectTimeout", connectTimeout, 1, 600_000);
        check("backoffMin", backoffMin, 1, 3_600_000);
        check("backoffMax", backoffMax, backoffMin, 3_600_000);
        check("portRange", portRange, 1, 65535);
        check("length of nodeName", node().length, 0, 255);
        List<Port> ports = new ArrayList<>();
        if (remote == null) {
            add(ports, address, port, port + portRange - 1);
            return ports;
        }
        for (String entry : remote.trim().split("\\s*,\\s*")) {
            int colon = entry.lastIndexOf(':');
            if (colon < 0 || entry.endsWith("]")) {
                add(ports, entry, port, port + portRange - 1);
                continue;
            }
            String[] range = entry.substring(colon + 1).split("-", 2);
            try {
                add(ports, entry.substring(0, colon), Integer.parseInt(range[0]),
                        Integer.parseInt(range[range.length - 1]));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("remote: no port or range of ports in \"" + entry + '"', e);
            }
        }
        return ports;
    }

    private void add(List<Port> ports, String host, int first, int last) {
        String bare = host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
        if (bare.isEmpty()) {
            throw new IllegalArgumentException("remote: an entry without a host");
        }
        check("port", first, 1, 65535);
        check("last port of the range", last, first, 65535);
        boolean shared = shared(last - first + 1);
        for (int port = first; port <= last; port++) {
            ports.add(new Port(bare, port, shared));
        }
    }

    byte[] node() {
        return nodeName == null ? new byte[0] : nodeName.getBytes(StandardCharsets.UTF_8);
    }

    /**
     * Reads the key of the handshake; null for no handshake.
     *
     * @throws IOException              if the file cannot be read; the message says why
     * @throws IllegalArgumentException if there is not enough in it
     */
    byte[] key() throws IOException {
        if (keyFile == null) {
            return null;
        }
        File file = new File(keyFile);
        if (!file.isAbsolute()) {
            file = new File(System.getProperty("catalina.base", ""), keyFile);
        }
        Path path = file.toPath();
        byte[] content = content(path);
        int length = content.length;
        while (length > 0 && (content[length - 1] == '\n' || content[length - 1] == '\r')) {
            length--;
        }
        if (length < SHORTEST_KEY) {
            throw new IllegalArgumentException("keyFile " + path + ": the key has " + length + " bytes, but needs at least " +
                    SHORTEST_KEY);
        }
        warnIfOpenToOthers(path);
        return Arrays.copyOf(content, length);
    }

    private static byte[] content(Path path) throws IOException {
        try {
            return Files.readAllBytes(path);
        } catch (IOException e) {
            throw new IOException("keyFile " + path + ": " + reason(e), e);
        }
    }

    /** Returns why a file cannot be read: the message of such an exception is often only the path. */
    static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "there is no such file";
        }
        if (e instanceof AccessDeniedException) {
            return "Tomcat runs as user " + System.getProperty("user.name") + ", who may not read it";
        }
        return e.getMessage();
    }

    private static void warnIfOpenToOthers(Path path) throws IOException {
        try {
            Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(path);
            if (permissions.contains(PosixFilePermission.OTHERS_READ)) {
                ReverseAjpNioProtocol.LOG.warn("keyFile " + path + ": every user of this machine can read the key");
            }
        } catch (UnsupportedOperationException e) {
            // Not a POSIX file system: there is nothing to check.
        }
    }

    private static void check(String name, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(name + ": " + value + " is not between " + least + " and " + most);
        }
    }
}
