import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import java.io.IOException;

/** Counts the requests of a session, and tells which node counted. */
@WebServlet("/session")
public class Session extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        HttpSession session = request.getSession();
        Integer count = (Integer) session.getAttribute("count");
        count = count == null ? 1 : count + 1;
        session.setAttribute("count", count);
        String id = session.getId();
        int dot = id.indexOf('.');
        response.setContentType("text/plain");
        response.getWriter().print("count=" + count + "\nid=" + id + "\nnode="
                + (dot < 0 ? "" : id.substring(dot + 1)) + "\nfromCookie="
                + request.isRequestedSessionIdFromCookie() + "\nfromUrl="
                + request.isRequestedSessionIdFromURL() + "\n");
    }
}
