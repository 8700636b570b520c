import jakarta.servlet.ServletException;
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Reads the whole body, answers its length and SHA-256. */
@WebServlet("/upload")
public class Upload extends HttpServlet {
    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response)
            throws ServletException, IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new ServletException(impossible);
        }
        InputStream body = request.getInputStream();
        byte[] buffer = new byte[65536];
        long length = 0;
        int count;
        while ((count = body.read(buffer)) >= 0) {
            digest.update(buffer, 0, count);
            length += count;
        }
        response.setContentType("text/plain");
        response.getWriter().print(
                "length=" + length + "\nsha256=" + HexFormat.of().formatHex(digest.digest()) + "\n");
    }
}
