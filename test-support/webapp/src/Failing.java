import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Throws, after as much of a body as it is asked for. */
@WebServlet("/error")
public class Failing extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        int after = (int) Query.number(request, "after", 0);
        if (after > 0) {
            response.setContentType("text/plain");
            response.getOutputStream().write("x".repeat(after).getBytes());
            response.flushBuffer();
        }
        throw new IllegalStateException("thrown on purpose");
    }
}
