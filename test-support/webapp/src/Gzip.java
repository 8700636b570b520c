import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.zip.GZIPOutputStream;

/** Compresses its answer if the client accepts that. */
@WebServlet("/gzip")
public class Gzip extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        byte[] text = "compressible text, again and again\n".repeat(1000).getBytes();
        response.setContentType("text/plain");
        response.setHeader("Vary", "Accept-Encoding");
        String accepted = request.getHeader("Accept-Encoding");
        if (accepted != null && accepted.contains("gzip")) {
            response.setHeader("Content-Encoding", "gzip");
            try (GZIPOutputStream out = new GZIPOutputStream(response.getOutputStream())) {
                out.write(text);
            }
        } else {
            response.getOutputStream().write(text);
        }
    }
}
