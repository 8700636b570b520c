import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Counts how often each id was asked for, before it reads the body; `/count/report` tells, `/count/take` lists and forgets. */
@WebServlet("/count/*")
public class Count extends HttpServlet {
    private static final Map<String, Integer> COUNTS = new ConcurrentHashMap<>();

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setContentType("text/plain");
        if ("/report".equals(request.getPathInfo())) {
            int most = COUNTS.values().stream().mapToInt(Integer::intValue).max().orElse(0);
            response.getWriter().print("ids=" + COUNTS.size() + "\nmost=" + most + "\n");
            return;
        }
        if ("/take".equals(request.getPathInfo())) {
            for (String id : COUNTS.keySet()) {
                response.getWriter().print(id + "=" + COUNTS.remove(id) + "\n");
            }
            return;
        }
        COUNTS.merge(request.getParameter("id"), 1, Integer::sum);
        byte[] buffer = new byte[65536];
        long length = 0;
        int count;
        while ((count = request.getInputStream().read(buffer)) >= 0) {
            length += count;
        }
        response.getWriter().print("length=" + length + "\n");
    }
}
