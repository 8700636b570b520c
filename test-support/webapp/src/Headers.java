import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Answers with the headers it is asked for. */
@WebServlet("/headers")
public class Headers extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setStatus((int) Query.number(request, "status", 200));
        for (String header : Query.all(request, "h")) {
            int colon = header.indexOf(':');
            response.addHeader(header.substring(0, colon), header.substring(colon + 1));
        }
        for (String spec : Query.all(request, "cookie")) {
            String[] parts = spec.split(",", -1); // name,value,path,domain
            Cookie cookie = new Cookie(parts[0], parts[1]);
            if (parts.length > 2 && !parts[2].isEmpty()) {
                cookie.setPath(parts[2]);
            }
            if (parts.length > 3 && !parts[3].isEmpty()) {
                cookie.setDomain(parts[3]);
            }
            response.addCookie(cookie);
        }
        String redirect = Query.text(request, "redirect", null);
        if (redirect != null) {
            response.sendRedirect(redirect);
            return;
        }
        long repeat = Query.number(request, "long", 0);
        if (repeat > 0) {
            response.setHeader("X-Long", "x".repeat((int) repeat));
        }
        for (long index = 0; index < Query.number(request, "many", 0); index++) {
            response.addHeader("X-Many-" + index, "value " + index);
        }
        response.setContentType("text/plain");
        response.getWriter().println("headers");
    }
}
