import jakarta.servlet.AsyncContext;
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Answers from a thread that is not the container's. */
@WebServlet(urlPatterns = "/async", asyncSupported = true)
public class Async extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) {
        long wait = Query.number(request, "ms", 0);
        AsyncContext context = request.startAsync();
        Thread worker = new Thread(() -> {
            try {
                Thread.sleep(wait);
                context.getResponse().setContentType("text/plain");
                context.getResponse().getWriter().println("answered by " + Thread.currentThread().getName());
            } catch (IOException | InterruptedException failed) {
                ((HttpServletResponse) context.getResponse()).setStatus(500);
            }
            context.complete();
        }, "async-worker");
        worker.setDaemon(true);
        worker.start();
    }
}
