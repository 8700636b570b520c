import jakarta.servlet.AsyncContext;
import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Writes {@code write} bytes, then reads the body up to {@code read} bytes (all of it by default), {@code ms} milliseconds after
 * each piece, and answers with {@code status}. Behind what it has written come the length and the SHA-256 of what it has read. With
 * {@code listener} it reads without blocking, in a ReadListener.
 */
@WebServlet(urlPatterns = "/reads", asyncSupported = true)
public class Reads extends HttpServlet {
    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response)
            throws ServletException, IOException {
        Reading reading = new Reading(request, response);
        if (Query.number(request, "listener", 0) == 0) {
            reading.begin();
            reading.all();
            reading.end();
            return;
        }
        AsyncContext context = request.startAsync();
        reading.begin();
        request.getInputStream().setReadListener(new ReadListener() {
            @Override
            public void onDataAvailable() throws IOException {
                if (!reading.ready()) {
                    return;
                }
                reading.end();
                context.complete();
            }

            @Override
            public void onAllDataRead() throws IOException {
                if (!reading.ended) {
                    reading.end();
                    context.complete();
                }
            }

            @Override
            public void onError(Throwable failure) {
                context.complete();
            }
        });
    }

    private static final class Reading {
        private final ServletInputStream body;
        private final HttpServletResponse response;
        private final MessageDigest digest;
        private final byte[] buffer = new byte[16384];
        private final long write;
        private final long pause;
        private long left;
        private long length;
        private boolean ended;

        Reading(HttpServletRequest request, HttpServletResponse response) throws ServletException, IOException {
            this.response = response;
            body = request.getInputStream();
            write = Query.number(request, "write", 0);
            left = Query.number(request, "read", Long.MAX_VALUE);
            pause = Query.number(request, "ms", 0);
            response.setStatus((int) Query.number(request, "status", 200));
            try {
                digest = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException impossible) {
                throw new ServletException(impossible);
            }
        }

        void begin() throws IOException {
            response.setContentType("text/plain");
            OutputStream out = response.getOutputStream();
            byte[] dots = new byte[8192];
            java.util.Arrays.fill(dots, (byte) '.');
            for (long rest = write; rest > 0; rest -= dots.length) {
                out.write(dots, 0, (int) Math.min(rest, dots.length));
            }
            if (write > 0) {
                out.flush();
            }
        }

        private boolean piece() throws IOException {
            int count = left == 0 ? -1 : body.read(buffer, 0, (int) Math.min(left, buffer.length));
            if (count < 0) {
                return false;
            }
            digest.update(buffer, 0, count);
            length += count;
            left -= count;
            if (pause > 0) {
                try {
                    Thread.sleep(pause);
                } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                }
            }
            return true;
        }

        void all() throws IOException {
            while (piece()) {
                // The next one.
            }
        }

        /** Reads what is there; true: that is all that is wanted. */
        boolean ready() throws IOException {
            while (left > 0 && body.isReady() && piece()) {
                // The next one.
            }
            return left == 0;
        }

        void end() throws IOException {
            ended = true;
            String hash = HexFormat.of().formatHex(digest.digest());
            response.getOutputStream().print("\nlength=" + length + "\nsha256=" + hash + "\n");
        }
    }
}
