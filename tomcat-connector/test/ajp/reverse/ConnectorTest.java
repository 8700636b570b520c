package ajp.reverse;

import static ajp.reverse.AllTests.check;
import static ajp.reverse.AllTests.eventually;
import static ajp.reverse.AllTests.same;

import java.util.ArrayList;
import java.util.List;

/** What the connector does with its connections, in a Tomcat, against front ends without a key. */
public final class ConnectorTest {

    /** Names of the live threads of reverse connectors. */
    static String threads() {
        List<String> names = new ArrayList<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().contains("ajp-reverse")) {
                names.add(thread.getName());
            }
        }
        return names.toString();
    }

    private static boolean threadsWithProcessor() {
        for (StackTraceElement[] stack : Thread.getAllStackTraces().values()) {
            for (StackTraceElement frame : stack) {
                if (frame.getClassName().endsWith("AjpProcessor")) {
                    return true;
                }
            }
        }
        return false;
    }

    public void a_connection_taken_into_use_is_replaced() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "spare", "2").start()) {
            Peer first = front.next();
            front.next();
            Thread.sleep(200);
            same(Integer.valueOf(2), Integer.valueOf(front.count.get()));
            first.sendGet("/held");
            front.next();
            tomcat.gate.countDown();
            same("200 answer to /held", first.response());
            same("200 answer to /again", first.get("/again"));
            Thread.sleep(200);
            same(Integer.valueOf(3), Integer.valueOf(front.count.get()));
        }
    }

    public void killed_connections_are_replaced() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "spare", "2").start()) {
            for (int i = 0; i < 5; i++) {
                Peer peer = front.next();
                same("200 answer to /a", peer.get("/a"));
                peer.close();
            }
            eventually(() -> Boolean.valueOf(tomcat.status().contains("pending=0 fresh=2 idle=0 busy=0 backoff=0")),
                    tomcat::status);
        }
    }

    public void tomcat_starts_without_httpd_and_finds_it_later() throws Exception {
        int port = FrontEnd.freePorts(1);
        // Nobody listens until the start is over.
        try (Container tomcat = new Container(port, "backoffMin", "20", "backoffMax", "200").start()) {
            Thread.sleep(500);
            check(tomcat.status().contains("fresh=0"), tomcat.status());
            try (FrontEnd front = new FrontEnd(port)) {
                Peer peer = front.next();
                same("200 answer to /a", peer.get("/a"));
                peer.close();
            }
            try (FrontEnd front = new FrontEnd(port)) {
                same("200 answer to /restarted", front.next().get("/restarted"));
            }
        }
    }

    public void every_port_of_a_range_gets_its_spare_connections() throws Exception {
        int port = FrontEnd.freePorts(3);
        try (FrontEnd one = new FrontEnd(port); FrontEnd three = new FrontEnd(port + 2);
                Container tomcat = new Container(port, "portRange", "3", "spare", "2", "backoffMax", "200").start()) {
            eventually(() -> Boolean.valueOf((one.count + " " + three.count).equals("2 2")), tomcat::status);
            Thread.sleep(500);
            same("2 2", one.count + " " + three.count);
            for (FrontEnd front : new FrontEnd[] { one, three, one, three }) {
                front.next().ping();
            }
            try (FrontEnd two = new FrontEnd(port + 1)) {
                two.next().ping();
                two.next().ping();
            }
        }
    }

    public void a_front_end_that_closes_at_once_is_not_stormed() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1))) {
            front.closeAtOnce(true);
            long begin = System.nanoTime();
            try (Container tomcat = new Container(front.port(), "backoffMax", "400").start()) {
                eventually(() -> Boolean.valueOf(front.count.get() >= 15), tomcat::status);
                // Two at the start, then after pauses of 100, 200, 400, 400 ..., each half as long at the least.
                long took = System.nanoTime() - begin;
                check(took >= 2_000_000_000L, front.count + " connections in " + took + " ns");
                front.closeAtOnce(false);
                same("200 answer to /a", front.next().get("/a"));
                check(!tomcat.status().isEmpty(), "no status");
            }
        }
    }

    public void idle_connections_outlive_connectionTimeout() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "spare", "1", "connectionTimeout", "300").start()) {
            Peer used = front.next();
            used.ping();
            Peer fresh = front.next();
            check(!used.isClosedByTomcat(2500), "closed behind a CPING");
            same("200 answer to /a", used.get("/a"));
            same("200 answer to /b", fresh.get("/b"));
            check(!tomcat.status().isEmpty(), "no status");
        }
    }

    public void an_asynchronous_request_gives_its_thread_and_its_connection_back() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "spare", "1").start()) {
            Peer peer = front.next();
            same("200 later", peer.get("/async"));
            eventually(() -> Boolean.valueOf(tomcat.status().contains("idle=1 busy=0")), tomcat::status);
            check(!threadsWithProcessor(), "a thread reads from the idle connection");
            same("200 later", peer.get("/async"));
            same("200 answer to /a", peer.get("/a"));
        }
    }

    public void no_more_than_maxConnections_are_opened() throws Exception {
        int port = FrontEnd.freePorts(2);
        try (FrontEnd one = new FrontEnd(port); FrontEnd two = new FrontEnd(port + 1);
                Container tomcat = new Container(port, "portRange", "2", "spare", "4", "maxConnections", "3").start()) {
            eventually(() -> Boolean.valueOf(one.count.get() + two.count.get() == 3), tomcat::status);
            Thread.sleep(500);
            same(Integer.valueOf(3), Integer.valueOf(one.count.get() + two.count.get()));
            Peer peer = one.next();
            same("200 answer to /a", peer.get("/a"));
            peer.close();
            eventually(() -> Boolean.valueOf(one.count.get() + two.count.get() == 4), tomcat::status);
        }
    }

    public void pause_closes_idle_connections_and_lets_a_request_end_and_resume_dials_again() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "spare", "1").start()) {
            Peer busy = front.next();
            busy.sendGet("/held");
            Peer idle = front.next();
            tomcat.held.await();
            tomcat.connector.pause();
            check(idle.isClosedByTomcat(), "an idle connection is open while paused");
            tomcat.gate.countDown();
            same("200 answer to /held", busy.response());
            check(busy.isClosedByTomcat(), "open behind its request while paused");
            int before = front.count.get();
            Thread.sleep(200);
            same(Integer.valueOf(before), Integer.valueOf(front.count.get()));
            tomcat.connector.resume();
            same("200 answer to /a", front.next().get("/a"));
        }
    }

    public void stop_leaves_no_thread_and_no_connection_and_start_dials_again() throws Exception {
        for (String bindOnInit : new String[] { "true", "false" }) {
            int port = FrontEnd.freePorts(2);
            try (FrontEnd front = new FrontEnd(port);
                    // A stop that waited for a thread of the connector's would take ten minutes.
                    Container tomcat = new Container(port, "portRange", "2", "spare", "2", "bindOnInit", bindOnInit,
                            "executorTerminationTimeoutMillis", "600000")) {
                tomcat.start();
                for (int round = 0; round < 2; round++) {
                    Peer used = front.next();
                    same("200 answer to /a", used.get("/a"));
                    Peer fresh = front.next();
                    check(threads().contains("Acceptor") && threads().contains("exec"), threads());
                    tomcat.stop();
                    check(used.isClosedByTomcat() && fresh.isClosedByTomcat(), "open behind the stop");
                    eventually(() -> Boolean.valueOf(threads().equals("[]")), ConnectorTest::threads);
                    same(Integer.valueOf(0), Integer.valueOf(tomcat.endpoint().getConnections().size()));
                    while (front.waiting() > 0) {
                        check(front.next().isClosedByTomcat(), "open behind the stop");
                    }
                    tomcat.start();
                }
                tomcat.stop();
                tomcat.destroy();
            }
        }
    }

    public void many_short_lived_connections_leave_the_books_in_order() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "spare", "2").start()) {
            for (int i = 0; i < 200; i++) {
                try (Peer peer = front.next()) {
                    if (i % 3 == 0) {
                        peer.sendGet("/a");
                    } else {
                        same("200 answer to /a", peer.get("/a"));
                    }
                }
            }
            eventually(() -> Boolean.valueOf(tomcat.status().contains("pending=0 fresh=2 idle=0 busy=0")),
                    tomcat::status);
            // The acceptor has counted the one it is waiting for.
            eventually(() -> Boolean.valueOf(tomcat.endpoint().getConnectionCount() == 3),
                    () -> Long.valueOf(tomcat.endpoint().getConnectionCount()));
        }
    }
}
