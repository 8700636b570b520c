package ajp.reverse;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.apache.catalina.LifecycleState;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.connector.Request;
import org.apache.catalina.connector.Response;
import org.apache.catalina.core.StandardContext;
import org.apache.catalina.startup.Tomcat;
import org.apache.catalina.valves.ValveBase;

/** A Tomcat with the connector under test. A valve answers, since servlets have another package in each Tomcat. */
final class Container implements Closeable {

    private final File base = Files.createTempDirectory("ajp-reverse").toFile();
    private final Tomcat tomcat = new Tomcat();
    final Connector connector = new Connector("ajp.reverse.ReverseAjpNioProtocol");
    /** {@code /held} answers once this is open. */
    final CountDownLatch gate = new CountDownLatch(1);
    /** Open once a request for {@code /held} is being served. */
    final CountDownLatch held = new CountDownLatch(1);

    Container(int port, String... attributes) throws IOException {
        tomcat.setBaseDir(base.getPath());
        System.setProperty("catalina.base", base.getPath());
        connector.setPort(port);
        connector.setThrowOnFailure(true);
        set("address", "127.0.0.1");
        set("secretRequired", "false");
        for (int i = 0; i < attributes.length; i += 2) {
            set(attributes[i], attributes[i + 1]);
        }
        tomcat.getService().addConnector(connector);
        tomcat.setConnector(connector);
        StandardContext context = (StandardContext) tomcat.addContext("", base.getPath());
        context.getPipeline().addValve(new Answers());
    }

    /** As Tomcat does for an attribute in server.xml. */
    private void set(String name, String value) {
        if (!connector.setProperty(name, value)) {
            throw new AssertionError("no attribute " + name);
        }
    }

    /** Writes a file that {@code keyFile} may name. */
    Container file(String name, String content) throws IOException {
        Files.write(new File(base, name).toPath(), content.getBytes());
        return this;
    }

    Container start() throws Exception {
        tomcat.start();
        return this;
    }

    void stop() throws Exception {
        tomcat.stop();
    }

    void destroy() throws Exception {
        tomcat.destroy();
    }

    ReverseNioEndpoint endpoint() throws Exception {
        java.lang.reflect.Field field = ReverseAjpNioProtocol.class.getDeclaredField("endpoint");
        field.setAccessible(true);
        return (ReverseNioEndpoint) field.get(connector.getProtocolHandler());
    }

    String status() throws Exception {
        return endpoint().getReverseStatus();
    }

    @Override
    public void close() throws IOException {
        try {
            gate.countDown();
            // One that could not start is not in a state to stop.
            if (tomcat.getServer().getState() == LifecycleState.STARTED) {
                tomcat.stop();
            }
            if (tomcat.getServer().getState() != LifecycleState.DESTROYED) {
                tomcat.destroy();
            }
        } catch (Exception e) {
            throw new IOException(e);
        } finally {
            delete(base);
        }
    }

    private static void delete(File file) {
        File[] children = file.listFiles();
        if (children != null) {
            for (File child : children) {
                delete(child);
            }
        }
        file.delete();
    }

    private final class Answers extends ValveBase {

        Answers() {
            super(true);
        }

        @Override
        public void invoke(Request request, Response response) throws IOException {
            String uri = request.getDecodedRequestURI();
            if (uri.equals("/async")) {
                request.setAsyncSupported(true);
                request.startAsync();
                new Thread(() -> complete(request, response), "async").start();
                return;
            }
            if (uri.equals("/held")) {
                held.countDown();
                await();
            }
            response.getWriter().write("answer to " + uri);
        }

        private void complete(Request request, Response response) {
            try {
                Thread.sleep(50);
                response.getWriter().write("later");
                request.getAsyncContext().complete();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        private void await() {
            try {
                gate.await(Peer.DEADLINE_MILLIS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
