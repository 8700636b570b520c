package ajp.reverse;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;

import org.apache.catalina.util.ServerInfo;

/** Runs every public method of the test classes, each of which is one sentence. Exit status 1 if any failed. */
public final class AllTests {

    private AllTests() {
    }

    /** Arguments: names of tests; none for all. */
    public static void main(String[] names) throws Exception {
        Logger.getLogger("").setLevel(Boolean.getBoolean("log") ? Level.INFO : Level.OFF);
        int passed = 0;
        int failed = 0;
        for (Class<?> c : Arrays.asList(PortsTest.class, HandshakeTest.class, ConnectorTest.class)) {
            Method[] methods = c.getDeclaredMethods();
            Arrays.sort(methods, Comparator.comparing(Method::getName));
            for (Method method : methods) {
                if (!Modifier.isPublic(method.getModifiers()) ||
                        names.length > 0 && !Arrays.asList(names).contains(method.getName())) {
                    continue;
                }
                long begin = System.nanoTime();
                String result = "ok";
                try {
                    method.invoke(c.getDeclaredConstructor().newInstance());
                    passed++;
                } catch (InvocationTargetException e) {
                    failed++;
                    result = "FAILED";
                    e.getCause().printStackTrace(System.out);
                }
                System.out.printf("%s %s.%s (%d ms)%n", result, c.getSimpleName(), method.getName(),
                        Long.valueOf((System.nanoTime() - begin) / 1_000_000));
            }
        }
        System.out.printf("%s: %d passed, %d failed%n", ServerInfo.getServerInfo(), Integer.valueOf(passed),
                Integer.valueOf(failed));
        System.exit(failed > 0 || passed == 0 ? 1 : 0);
    }

    static void check(boolean condition, Object otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }

    static void same(Object expected, Object actual) {
        check(expected.equals(actual), "expected " + expected + " but got " + actual);
    }

    /** Waits until it is so, as long as {@link Peer#DEADLINE_MILLIS}. */
    static void eventually(Callable<Boolean> condition, Callable<?> otherwise) throws Exception {
        long end = System.nanoTime() + Peer.DEADLINE_MILLIS * 1_000_000L;
        while (!condition.call().booleanValue()) {
            check(System.nanoTime() < end, System.nanoTime() < end ? "" : otherwise.call());
            Thread.sleep(5);
        }
    }
}
