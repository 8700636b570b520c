import jakarta.servlet.ServletException;
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Answers after a while. */
@WebServlet("/slow")
public class Slow extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response)
            throws ServletException, IOException {
        long wait = Query.number(request, "ms", 100);
        try {
            Thread.sleep(wait);
        } catch (InterruptedException interrupted) {
            throw new ServletException(interrupted);
        }
        response.setContentType("text/plain");
        response.getWriter().println("slept " + wait);
    }
}
