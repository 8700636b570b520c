package ajp.reverse;

import static ajp.reverse.AllTests.check;
import static ajp.reverse.AllTests.same;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The policy, with a made-up clock. */
public final class PortsTest {

    private final Settings settings = new Settings();
    private final Port a = new Port("web1", 9100, false);
    private final Port b = new Port("web1", 9101, false);
    private final Ports ports = new Ports(settings, Arrays.asList(a, b));

    public void connections_are_spread_over_the_ports() {
        List<Port> order = new ArrayList<>();
        for (Port port = ports.take(0); port != null; port = ports.take(0)) {
            order.add(port);
        }
        same(Arrays.asList(a, b, a, b), order);
    }

    public void a_port_that_refuses_is_left_alone_for_a_pause_that_doubles_up_to_its_limit() {
        for (int attempt = 0, pause = 100; attempt < 8; attempt++, pause = Math.min(2 * pause, 5000)) {
            long now = 100_000L * attempt;
            a.pending++;
            ports.failed(a, "refused", now);
            same(Integer.valueOf(pause), Integer.valueOf(a.delay));
            check(a.retryAt >= now + pause / 2 && a.retryAt <= now + pause, Long.valueOf(a.retryAt - now));
        }
    }

    public void a_suspect_port_gets_one_connection_until_that_has_lasted() {
        Ports one = new Ports(settings, Arrays.asList(a));
        one.take(0);
        one.failed(a, "refused", 0);
        same(a, one.take(1000));
        one.opened(a, 1000);
        check(one.take(1000 + Ports.REJECT_MILLIS - 1) == null, "a second one on trial");
        check(one.take(1000 + Ports.REJECT_MILLIS) == a, "not proved good by then");
    }

    public void a_suspect_port_is_not_dialled_beside_its_pauses_while_the_connection_on_trial_is_busy() {
        Ports one = new Ports(settings, Arrays.asList(a));
        one.take(0);
        one.failed(a, "refused", 0);
        one.take(1000);
        one.busy(one.opened(a, 1000));
        check(one.take(1000) == null && one.take(1099) == null, "dialled within the pause");
        check(one.take(1100) == a, "not dialled behind the pause");
    }

    public void a_served_request_proves_a_port_good_at_once() {
        Ports one = new Ports(settings, Arrays.asList(a));
        one.take(0);
        one.failed(a, "refused", 0);
        one.take(1000);
        Link link = one.opened(a, 1000);
        one.busy(link);
        one.served(link);
        same(Integer.valueOf(0), Integer.valueOf(a.delay));
    }

    public void after_a_wrong_key_no_lasting_connection_proves_a_port_good() {
        Ports one = new Ports(settings, Arrays.asList(a));
        one.take(0);
        one.take(0);
        Link first = one.opened(a, 0);
        Link second = one.opened(a, 0);
        one.refuse(first, "has another key", 10);
        one.closed(first, 10);
        check(one.take(60_000) == null, "dialled though one is open and the key is wrong");
        one.accepted(second, 60_000);
        check(one.take(60_000 + Ports.REJECT_MILLIS) == a, "the right key did not help");
    }

    public void a_port_is_available_once_it_has_been_used_and_not_because_it_accepts() {
        try (LogLines log = new LogLines()) {
            Ports one = new Ports(settings, Arrays.asList(a));
            one.take(0);
            Link link = one.opened(a, 0);
            one.take(Ports.REJECT_MILLIS);
            one.take(3_600_000);
            same("web1:9100: connected, waiting for httpd", log.take());
            one.busy(link);
            same("", log.take());
            one.idle(link);
            same("web1:9100 is available", log.take());
        }
    }

    public void after_a_handshake_a_port_is_available_when_the_connection_has_lasted() {
        try (LogLines log = new LogLines()) {
            Ports one = new Ports(settings, Arrays.asList(a));
            one.take(0);
            Link link = one.opened(a, 0);
            one.accepted(link, 0);
            one.take(Ports.SETTLE_MILLIS - 1);
            same("", log.take());
            check(one.nextLook(Ports.REJECT_MILLIS + 1) <= Ports.SETTLE_MILLIS, "nobody looks at it");
            one.take(Ports.SETTLE_MILLIS);
            same("web1:9100 is available", log.take());
            one.closed(link, Ports.SETTLE_MILLIS);
            same("", log.take());
        }
    }

    public void a_connection_closed_after_the_handshake_is_a_wrong_node_and_said_once() {
        settings.nodeName = "node2";
        try (LogLines log = new LogLines()) {
            Ports one = new Ports(settings, Arrays.asList(a));
            long now = 0;
            for (int i = 0; i < 3; i++, now += 20_000) {
                one.take(now);
                Link link = one.opened(a, now);
                one.accepted(link, now);
                one.closed(link, now + Ports.SETTLE_MILLIS - 1);
            }
            same("web1:9100 is not available (it closes connections after the handshake: node= of its ProxyAjpReverse is " +
                    "probably not \"node2\"; its error log says why); retrying at intervals of up to 5000 ms", log.take());
            one.take(now);
            one.accepted(one.opened(a, now), now);
            one.take(now + Ports.SETTLE_MILLIS);
            same("web1:9100 is available", log.take());
        }
    }

    public void connections_closed_unused_again_and_again_are_refused_however_long_they_have_waited() {
        for (String file : Arrays.asList("", "node1.key")) {
            settings.keyFile = file.isEmpty() ? null : file;
            try (LogLines log = new LogLines()) {
                Port port = new Port("web1", 9100, true);
                Ports one = new Ports(settings, Arrays.asList(port));
                one.take(0);
                one.take(0);
                Link first = one.opened(port, 0);
                Link second = one.opened(port, 0);
                one.take(5000);
                same("web1:9100: connected, waiting for httpd", log.take());
                one.closed(first, 20_000);
                one.take(20_000);
                Link third = one.opened(port, 20_000);
                one.closed(second, 30_000);
                same("", log.take());
                one.closed(third, 40_000);
                String said = log.take();
                check(said.contains("it closes connections before using them: allow="), said);
                check(said.contains(file.isEmpty() ? "keyFile is missing here" : "keyfile= is missing there"), said);
            }
        }
    }

    public void on_a_shared_port_a_connection_once_used_is_not_spare() {
        Port shared = new Port("web1", 9100, true);
        Ports one = new Ports(settings, Arrays.asList(shared));
        one.take(0);
        one.take(0);
        Link link = one.opened(shared, 0);
        one.opened(shared, 0);
        check(one.take(0) == null, "more than two");
        one.busy(link);
        one.idle(link);
        check(one.take(0) == shared, "the used one was counted as spare");
    }

    public void the_end_of_a_good_connection_has_suspect_ports_of_the_host_tried_soon() {
        ports.take(0);
        ports.take(0);
        Link link = ports.opened(a, 0);
        for (int i = 0; i < 7; i++) {
            b.pending++;
            ports.failed(b, "refused", 0);
        }
        ports.busy(link);
        ports.idle(link);
        b.retryAt = 9000;
        ports.closed(link, 2000);
        same(Long.valueOf(2100), Long.valueOf(b.retryAt));
    }

    public void attributes_out_of_range_are_named() {
        settings.spare = 0;
        same("spare: 0 is not between 1 and 1000", failure("127.0.0.1", 9100));
        settings.spare = 2;
        settings.portRange = 3;
        same("last port of the range: 65536 is not between 65534 and 65535", failure("127.0.0.1", 65534));
        settings.remote = "web1:9100-x";
        same("remote: no port or range of ports in \"web1:9100-x\"", failure("127.0.0.1", 9100));
    }

    public void a_list_of_remotes_may_have_ranges_and_addresses_in_brackets() {
        settings.remote = "web1:9200-9201, [2001:db8::1]:9300,web2";
        List<Port> list = settings.ports("127.0.0.1", 9100);
        same("[web1:9200, web1:9201, [2001:db8::1]:9300, web2:9100]", list.toString());
        check(!list.get(0).shared && list.get(2).shared, "shared: by default where a host has one port");
    }

    private String failure(String address, int port) {
        try {
            return settings.ports(address, port).toString();
        } catch (IllegalArgumentException e) {
            return e.getMessage();
        }
    }
}
