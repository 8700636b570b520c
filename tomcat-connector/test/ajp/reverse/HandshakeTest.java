package ajp.reverse;

import static ajp.reverse.AllTests.check;
import static ajp.reverse.AllTests.eventually;
import static ajp.reverse.AllTests.same;

import java.nio.file.AccessDeniedException;
import java.util.Arrays;

/** The connector's side of the handshake, in a Tomcat, against a front end that knows the key or does not. */
public final class HandshakeTest {

    private static final String KEY = "0123456789abcdef0123456789abcdef";

    private interface Body {
        void run(FrontEnd front, Container tomcat) throws Exception;
    }

    private static void with(Body body) throws Exception {
        with("60000", body);
    }

    private static void with(String connectTimeout, Body body) throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port(), "keyFile", "node.key", "nodeName", "node1", "spare",
                        "1", "connectTimeout", connectTimeout, "backoffMin", "50")) {
            tomcat.file("node.key", KEY + "\n").start();
            body.run(front, tomcat);
        }
    }

    public void with_the_right_key_requests_are_served() throws Exception {
        with((front, tomcat) -> {
            Peer peer = front.next().shakeHands(KEY);
            same("node1", peer.node);
            peer.ping();
            same("200 answer to /a", peer.get("/a"));
            same("200 answer to /b", peer.get("/b"));
        });
    }

    public void a_challenge_in_single_bytes_is_taken() throws Exception {
        with((front, tomcat) -> {
            Peer peer = front.next();
            peer.readHello();
            for (byte b : peer.challenge(KEY, Peer.nonce(1), peer.port())) {
                peer.send(new byte[] { b });
                Thread.sleep(1);
            }
            peer.readProof(KEY, Peer.nonce(1));
            same("200 answer to /a", peer.get("/a"));
        });
    }

    public void with_a_wrong_key_the_connection_is_closed_without_a_proof_and_dialling_slows_down() throws Exception {
        with((front, tomcat) -> {
            long begin = System.nanoTime();
            for (int i = 0; i < 8; i++) {
                Peer peer = front.next();
                peer.readHello();
                peer.send(peer.challenge("another key of the same length..", Peer.nonce(1), peer.port()));
                check(peer.isClosedByTomcat(), "still open, or sent a proof");
            }
            // Pauses of 50, 100, 200, 400 ..., each half as long at the least.
            long took = System.nanoTime() - begin;
            check(took >= 1_500_000_000L, "eight connections in " + took + " ns");
            front.next().shakeHands(KEY).ping();
        });
    }

    public void a_front_end_that_does_not_shake_hands_gets_no_answer() throws Exception {
        with((front, tomcat) -> {
            Peer peer = front.next();
            peer.readHello();
            peer.sendGet("/a");
            check(peer.isClosedByTomcat(), "answered, or still open");
        });
    }

    public void a_recorded_challenge_is_refused() throws Exception {
        with((front, tomcat) -> {
            Peer first = front.next();
            first.readHello();
            byte[] challenge = first.challenge(KEY, Peer.nonce(1), first.port());
            first.send(challenge);
            first.readProof(KEY, Peer.nonce(1));
            first.close();
            Peer second = front.next();
            second.readHello();
            check(!Arrays.equals(first.nonceT, second.nonceT), "the same nonce twice");
            second.send(challenge);
            check(second.isClosedByTomcat(), "the recorded challenge was taken");
        });
    }

    public void a_challenge_made_for_another_port_is_refused() throws Exception {
        with((front, tomcat) -> {
            Peer peer = front.next();
            peer.readHello();
            peer.send(peer.challenge(KEY, Peer.nonce(1), peer.port() + 1));
            check(peer.isClosedByTomcat(), "relayed packets were taken");
        });
    }

    public void what_comes_before_the_proof_is_refused() throws Exception {
        with((front, tomcat) -> {
            Peer peer = front.next();
            peer.readHello();
            byte[] challenge = peer.challenge(KEY, Peer.nonce(1), peer.port());
            byte[] both = Arrays.copyOf(challenge, challenge.length + 5);
            System.arraycopy(Peer.bytes("12 34 00 01 0a"), 0, both, challenge.length, 5);
            peer.send(both);
            check(peer.isClosedByTomcat(), "served a packet that came before the proof");
        });
    }

    public void a_challenge_that_is_not_finished_in_time_is_given_up() throws Exception {
        with("500", (front, tomcat) -> {
            Peer peer = front.next();
            peer.readHello();
            peer.send(Peer.bytes("12 34 00"));
            // connectTimeout, and Tomcat's poller looks once a second.
            check(peer.isClosedByTomcat(), "still open");
        });
    }

    public void a_connection_waits_for_the_challenge_as_long_as_the_front_end_likes() throws Exception {
        with("500", (front, tomcat) -> {
            Peer peer = front.next();
            peer.readHello();
            Thread.sleep(2500);
            byte[] nonce = Peer.nonce(3);
            peer.send(peer.challenge(KEY, nonce, peer.port()));
            peer.readProof(KEY, nonce);
            peer.ping();
        });
    }

    public void without_a_key_file_nothing_is_sent_first() throws Exception {
        try (FrontEnd front = new FrontEnd(FrontEnd.freePorts(1));
                Container tomcat = new Container(front.port()).start()) {
            Peer peer = front.next();
            check(!peer.isClosedByTomcat(200), tomcat.status());
            peer.ping();
        }
    }

    public void a_key_file_that_is_missing_or_short_fails_the_connector() throws Exception {
        String[][] cases = { { "absent.key", "absent.key: there is no such file" },
                { "short.key", "short.key: the key has 3 bytes, but needs at least 16" }, { ".", ": Is a directory" } };
        for (String[] one : cases) {
            Container tomcat = new Container(FrontEnd.freePorts(1), "keyFile", one[0]).file("short.key", "abc\n");
            String why = "";
            try {
                tomcat.start();
            } catch (Exception e) {
                for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                    why += cause.getMessage() + "\n";
                }
            } finally {
                tomcat.close();
            }
            check(why.contains(one[1]) && why.contains("keyFile "), "with " + one[0] + ": " + why);
            eventually(() -> Boolean.valueOf(!ConnectorTest.threads().contains("ajp-reverse")), ConnectorTest::threads);
        }
    }

    public void a_key_file_that_tomcat_may_not_read_is_said_with_the_user() throws Exception {
        String why = Settings.reason(new AccessDeniedException("/etc/ajp/node1.key"));
        same("Tomcat runs as user " + System.getProperty("user.name") + ", who may not read it", why);
    }

    public void an_httpd_with_another_key_is_said_with_what_may_differ() throws Exception {
        try (LogLines log = new LogLines()) {
            with((front, tomcat) -> {
                Peer peer = front.next();
                peer.readHello();
                peer.send(peer.challenge("another key of the same length..", Peer.nonce(1), peer.port()));
                check(peer.isClosedByTomcat(), "still open");
            });
            String said = log.take();
            check(said.contains("does not prove that it knows the key: keyfile= of its ProxyAjpReverse and keyFile have"),
                    said);
            check(said.contains("no requests are accepted from it until a handshake succeeds"), said);
        }
    }
}
