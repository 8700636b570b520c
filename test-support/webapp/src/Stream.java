import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Sends one piece, waits for its gate to be opened by another request, then sends the rest. */
@WebServlet(urlPatterns = {"/stream", "/gate"})
public class Stream extends HttpServlet {
    private static final ConcurrentHashMap<String, CountDownLatch> GATES = new ConcurrentHashMap<>();

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setContentType("text/plain");
        PrintWriter out = response.getWriter();
        if (request.getServletPath().equals("/gate")) {
            gate(Query.text(request, "id", "")).countDown();
            out.println("open");
            return;
        }
        String id = Query.text(request, "gate", null);
        long pieces = Query.number(request, "pieces", 10);
        for (long piece = 0; piece < pieces; piece++) {
            out.println("piece " + piece);
            out.flush();
            if (piece == 0 && id != null) {
                await(gate(id));
            }
        }
    }

    private static CountDownLatch gate(String id) {
        return GATES.computeIfAbsent(id, unused -> new CountDownLatch(1));
    }

    private static void await(CountDownLatch latch) throws IOException {
        try {
            if (!latch.await(60, TimeUnit.SECONDS)) {
                throw new IOException("nobody opened the gate");
            }
        } catch (InterruptedException interrupted) {
            throw new IOException(interrupted);
        }
    }
}
