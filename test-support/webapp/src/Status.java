import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Answers with the status it is asked for. */
@WebServlet("/status")
public class Status extends HttpServlet {
    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        int code = (int) Query.number(request, "code", 200);
        String error = Query.text(request, "error", null);
        if (error != null) {
            response.sendError(code, error);
            return;
        }
        response.setStatus(code);
        response.setHeader("X-Status", Integer.toString(code));
        for (String value : Query.all(request, "challenge")) {
            response.addHeader("WWW-Authenticate", value);
        }
        long length = Query.number(request, "cl", -1);
        if (length >= 0) {
            response.setContentLengthLong(length);
        }
        String body = Query.text(request, "body", null);
        if (body != null) {
            response.setContentType("text/plain");
            response.getWriter().print(body);
        }
    }
}
