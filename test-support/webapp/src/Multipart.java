import jakarta.servlet.ServletException;
import jakarta.servlet.annotation.MultipartConfig;
import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.Part;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Has Tomcat read a body of multipart/form-data, the larger parts to files, and answers with a line for each part: its name, its file
 * name, its length and its SHA-256.
 */
@WebServlet("/multipart")
@MultipartConfig(fileSizeThreshold = 65536)
public class Multipart extends HttpServlet {
    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response)
            throws ServletException, IOException {
        response.setContentType("text/plain");
        for (Part part : request.getParts()) {
            MessageDigest digest;
            try {
                digest = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException impossible) {
                throw new ServletException(impossible);
            }
            try (InputStream body = new DigestInputStream(part.getInputStream(), digest)) {
                body.transferTo(OutputStream.nullOutputStream());
            }
            String hash = HexFormat.of().formatHex(digest.digest());
            String name = part.getName() + " " + part.getSubmittedFileName();
            response.getWriter().print(name + " " + part.getSize() + " " + hash + "\n");
            part.delete();
        }
    }
}
