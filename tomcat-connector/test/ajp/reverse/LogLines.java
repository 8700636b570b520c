package ajp.reverse;

import java.io.Closeable;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** The lines that the connector logs at info and above, until it is closed. */
final class LogLines extends Handler implements Closeable {

    private static final Logger LOGGER = Logger.getLogger(ReverseAjpNioProtocol.class.getName());

    private final List<String> lines = new ArrayList<>();

    LogLines() {
        LOGGER.setLevel(Level.INFO);
        LOGGER.setUseParentHandlers(false);
        LOGGER.addHandler(this);
    }

    /** Returns those since the last call. */
    synchronized String take() {
        String taken = String.join("\n", lines);
        lines.clear();
        return taken;
    }

    @Override
    public synchronized void publish(LogRecord record) {
        lines.add(record.getMessage());
    }

    @Override
    public void flush() {
        // Nothing is buffered.
    }

    @Override
    public void close() {
        LOGGER.removeHandler(this);
        LOGGER.setUseParentHandlers(true);
        LOGGER.setLevel(null);
    }
}
